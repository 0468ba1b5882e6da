//! Registrations handled per second.

fn main() {
    divan::main();
}
