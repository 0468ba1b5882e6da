//! Ways into routers for people: sessions with programs inside them, beside everything that the fabric does.
//!
//! They have threads of their own and never wait for the lab's: a person who reads slowly holds up nobody but the program
//! that prints.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::lab::Island;
use crate::agent::Window;
use crate::agent::protocol::Message;
use crate::agent::session::{Ending, INPUT_AHEAD, Opening, Say, Session, Size};

/// The sessions of a lab.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Routers by node, with the generation that tells those apart which bear the same name one after the other.
    routers: BTreeMap<String, (u64, Weak<dyn Island>)>,
    open: BTreeMap<u32, Entry>,
    last: u32,
}

#[derive(Debug)]
struct Entry {
    node: String,
    generation: u64,
    input: Arc<Window>,
    ear: Sender<Say>,
}

/// A session with a program in a router. It hangs up when dropped.
#[derive(Debug)]
pub struct Talk {
    sessions: Arc<Sessions>,
    id: u32,
    island: Weak<dyn Island>,
    /// How much input the program may be sent.
    pub input: Arc<Window>,
}

impl Sessions {
    /// Begins a session. What is said in it comes out of the receiver; its last word is [`Say::Ended`]. `None` if no
    /// router plays the node.
    pub fn open(self: &Arc<Self>, node: &str, opening: Opening) -> Option<(Talk, Receiver<Say>)> {
        let (ear, heard) = channel();
        let input = Arc::new(Window::open(INPUT_AHEAD));
        let mut state = self.lock();
        let (generation, island) = state.routers.get(node).cloned()?;
        state.last = state.last.wrapping_add(1);
        let id = state.last;
        let own = Arc::clone(&input);
        state.open.insert(id, Entry { node: node.to_owned(), generation, input: own, ear: ear.clone() });
        drop(state);
        let talk = Talk { sessions: Arc::clone(self), id, island, input };
        if let Err(reason) = talk.try_say(Say::Open(opening)) {
            let _ = ear.send(Say::Ended(Ending::Failed { reason }));
        }
        Some((talk, heard))
    }

    /// A router is there.
    pub(super) fn add(&self, node: &str, generation: u64, island: Weak<dyn Island>) {
        self.lock().routers.insert(node.to_owned(), (generation, island));
    }

    /// Takes what a router's agent says in a session.
    pub(super) fn take(&self, node: &str, generation: u64, Session { id, say }: Session) {
        let mut state = self.lock();
        // Words of a session that is over, or in one of another router.
        let own = |entry: &&Entry| entry.node == node && entry.generation == generation;
        let Some(entry) = state.open.get(&id).filter(own) else { return };
        match say {
            Say::Grant(octets) => entry.input.grant(octets as usize),
            Say::Output(_) | Say::Errors(_) => drop(entry.ear.send(say)),
            Say::Ended(_) => {
                entry.input.close();
                let _ = entry.ear.send(say);
                state.open.remove(&id);
            }
            // Agents do not say these.
            Say::Open(_) | Say::Input(_) | Say::Resize(_) | Say::HangUp => {}
        }
    }

    /// A router is gone, and with it its sessions.
    pub(super) fn gone(&self, node: &str, generation: u64, how: &str) {
        let mut state = self.lock();
        state.routers.retain(|name, (own, _)| name != node || *own != generation);
        state.open.retain(|_, entry| {
            let stays = entry.node != node || entry.generation != generation;
            if !stays {
                entry.input.close();
                let reason = format!("`{node}` is gone: {how}");
                let _ = entry.ear.send(Say::Ended(Ending::Gone { reason }));
            }
            stays
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Talk {
    /// For the program to read, no more than [`Talk::input`] gives leave for; the end of it when empty.
    pub fn input(&self, octets: Vec<u8>) {
        let _ = self.try_say(Say::Input(octets));
    }

    /// The terminal has another size.
    pub fn resize(&self, size: Size) {
        let _ = self.try_say(Say::Resize(size));
    }

    /// So much output was taken.
    pub fn grant(&self, octets: usize) {
        let _ = self.try_say(Say::Grant(u32::try_from(octets).unwrap_or(u32::MAX)));
    }

    /// Nobody listens any more: the session is over, here at once and in the router soon.
    pub fn hang_up(&self) {
        // Nobody has to be told of a session that is over.
        if self.sessions.lock().open.remove(&self.id).is_some() {
            let _ = self.try_say(Say::HangUp);
        }
    }

    fn try_say(&self, say: Say) -> Result<(), String> {
        let mut octets = Vec::new();
        let message = Message::Session(Session { id: self.id, say });
        message.encode(&mut octets).map_err(|error| error.to_string())?;
        // A router that is gone ends the session by itself.
        if let Some(island) = self.island.upgrade() {
            island.send(octets);
        }
        Ok(())
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.hang_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::protocol::{Decoder, Status};

    #[derive(Debug)]
    struct Ear(Mutex<Sender<Message>>);

    impl Island for Ear {
        fn send(&self, octets: Vec<u8>) {
            let mut decoder = Decoder::new();
            decoder.push(&octets);
            let message = Message::try_from(decoder.next_envelope().unwrap().unwrap()).unwrap();
            self.0.lock().unwrap().send(message).unwrap();
        }
    }

    fn opening() -> Opening {
        Opening { argv: vec!["sh".to_owned()], env: BTreeMap::new(), host: None, terminal: None }
    }

    fn lab() -> (Arc<Sessions>, Arc<dyn Island>, Receiver<Message>) {
        let (said, heard) = channel();
        let (sessions, island) = (Arc::new(Sessions::default()), Arc::new(Ear(Mutex::new(said))) as Arc<dyn Island>);
        sessions.add("hub", 1, Arc::downgrade(&island));
        (sessions, island, heard)
    }

    #[test]
    fn words_find_their_session_and_no_other() {
        let (sessions, _island, agent) = lab();
        assert!(sessions.open("nobody", opening()).is_none());
        let (talk, heard) = sessions.open("hub", opening()).unwrap();
        let Message::Session(Session { id, say: Say::Open(_) }) = agent.recv().unwrap() else { panic!("no opening") };
        let output = |id| Session { id, say: Say::Output(vec![1]) };
        sessions.take("spoke", 1, output(id));
        sessions.take("hub", 2, output(id));
        sessions.take("hub", 1, output(id + 1));
        assert!(heard.try_recv().is_err());
        sessions.take("hub", 1, output(id));
        assert_eq!(heard.recv(), Ok(Say::Output(vec![1])));
        drop(talk);
        assert_eq!(agent.recv(), Ok(Message::Session(Session { id, say: Say::HangUp })));
    }

    #[test]
    fn an_end_is_the_last_word_whoever_ends() {
        let (sessions, _island, agent) = lab();
        let (talk, heard) = sessions.open("hub", opening()).unwrap();
        let Message::Session(Session { id, .. }) = agent.recv().unwrap() else { panic!("no opening") };
        let ending = Ending::Status(Status::Exited(3));
        sessions.take("hub", 1, Session { id, say: Say::Ended(ending.clone()) });
        assert_eq!(heard.recv(), Ok(Say::Ended(ending)));
        assert!(talk.input.is_closed());
        drop(talk);
        assert!(agent.try_recv().is_err(), "nobody is there to hang up on");

        let (talk, heard) = sessions.open("hub", opening()).unwrap();
        sessions.gone("hub", 1, "it burnt");
        assert!(matches!(heard.recv(), Ok(Say::Ended(Ending::Gone { reason })) if reason.contains("it burnt")));
        assert!(talk.input.is_closed() && sessions.open("hub", opening()).is_none());
    }
}
