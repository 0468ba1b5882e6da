//! From templates of an implementation file to actions for an agent.

use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;
use serde_json::Value;

use crate::agent::protocol::Action;

/// Renders a list of actions for one node.
///
/// # Errors
/// Which action is wrong, and why.
pub fn render(actions: &[Value], node: &impl Serialize) -> Result<Vec<Action>, String> {
    let environment = environment();
    let mut rendered = Vec::new();
    for (index, action) in actions.iter().enumerate() {
        let wrong = |why: String| format!("action {} ({}): {why}", index + 1, verb(action));
        let mut action = action.clone();
        if let Some(condition) = action.as_object_mut().and_then(|action| action.remove("when")) {
            let condition = condition.as_str().ok_or_else(|| wrong("`when` is no text".to_owned()))?;
            let expression = environment.compile_expression(condition).map_err(|error| wrong(format!("{error:#}")))?;
            if !expression.eval(node).map_err(|error| wrong(format!("{error:#}")))?.is_true() {
                continue;
            }
        }
        fill(&environment, &mut action, node).map_err(wrong)?;
        rendered.push(serde_json::from_value(action.clone()).map_err(|error| wrong(error.to_string()))?);
    }
    Ok(rendered)
}

/// Renders one text.
///
/// # Errors
/// The template's own words.
pub fn render_text(template: &str, node: &impl Serialize) -> Result<String, String> {
    text(&environment(), template, node)
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // A misspelt variable must not become an empty configuration line.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment
}

fn verb(action: &Value) -> String {
    action.get("do").and_then(Value::as_str).unwrap_or("?").to_owned()
}

fn text(environment: &Environment<'_>, template: &str, node: &impl Serialize) -> Result<String, String> {
    environment.render_str(template, node).map_err(|error| format!("{error:#}"))
}

/// Renders every text in a value; a text under `commands` becomes a list of its lines.
fn fill(environment: &Environment<'_>, value: &mut Value, node: &impl Serialize) -> Result<(), String> {
    match value {
        Value::String(template) => *template = text(environment, template, node)?,
        Value::Array(items) => items.iter_mut().try_for_each(|item| fill(environment, item, node))?,
        Value::Object(members) => {
            for (key, member) in members.iter_mut() {
                fill(environment, member, node)?;
                if let ("commands" | "argv", Value::String(lines)) = (key.as_str(), &*member) {
                    let split = |text: &str| -> Vec<Value> {
                        if key == "argv" {
                            text.split_whitespace().map(Value::from).collect()
                        } else {
                            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(Value::from).collect()
                        }
                    };
                    *member = Value::Array(split(lines));
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_become_commands_and_conditions_leave_actions_out() {
        let node = json!({ "hold": 60, "auth": null, "name": "hub" });
        let actions = [
            json!({ "do": "vty", "socket": "/s", "timeout_ms": 1000,
                    "commands": "enable\n{% if auth %}\nip nhrp authentication {{ auth }}\n{% endif %}\nhold {{ hold }}\n" }),
            json!({ "do": "exec", "argv": "ip link show {{ name }}", "timeout_ms": 5, "when": "auth" }),
        ];
        let rendered = render(&actions, &node).unwrap();
        let Action::Vty { commands, .. } = &rendered[0] else { panic!("{rendered:?}") };
        assert_eq!(commands, &["enable", "hold 60"]);
        assert_eq!(rendered.len(), 1);
    }

    #[test]
    fn a_misspelt_variable_is_an_error_that_says_where() {
        let error = render(&[json!({ "do": "exec", "argv": ["{{ hodl }}"], "timeout_ms": 1 })], &json!({ "hold": 1 }));
        let error = error.unwrap_err();
        assert!(error.contains("action 1 (exec)") && error.contains("undefined"), "{error}");
    }
}
