//! Registration between a hub and spokes, with every instant to the nanosecond.

mod common;

use std::time::Duration;

use common::*;

#[test]
fn a_spoke_registers_at_once() {
    let mut world = World::new(Duration::from_millis(5));
    world.add("hub", hub());
    world.add("spoke", spoke(1));
    world.run(secs(1));

    let binding = world.binding("hub", ip("10.0.0.11")).unwrap();
    assert_eq!((binding.nbma, binding.unique, binding.holding_time), (ip("192.0.2.11"), true, 7200));
    assert!(world.nhs("spoke").registered);
    assert_eq!(world.seen.len(), 2);
}
