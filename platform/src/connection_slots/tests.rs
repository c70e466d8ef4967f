//! Tests that one address cannot take all places, that idle connections give way, and that probes have reserved places.

use crate::connection_slots::*;

const BOUNDS: Bounds = Bounds { all: 4, of_address: 3, reserve: 2 };

fn address(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn ordinary(places: &ConnectionSlots, last: u8) -> ConnectionSlot {
    let place = places.place(address(last)).unwrap();
    assert_eq!(place.kind(), SlotKind::Ordinary);
    place
}

#[test]
fn the_oldest_silent_connection_of_a_full_address_gives_way() {
    let places = ConnectionSlots::new(BOUNDS);
    let held: Vec<_> = (0..3).map(|_| ordinary(&places, 1)).collect();
    let other = ordinary(&places, 2);
    drop(held[0].activity().begin());
    let newest = ordinary(&places, 1);
    let closed: Vec<bool> = held.iter().map(|place| place.closed().is_cancelled()).collect();
    assert_eq!(closed, [false, true, false], "the first one has just been answered");
    assert!(!other.closed().is_cancelled() && !newest.closed().is_cancelled());
    assert_eq!((places.taken(), places.gave_way()), (4, 1));
}

#[test]
fn the_oldest_silent_connection_of_all_gives_way_when_all_places_are_taken() {
    let places = ConnectionSlots::new(BOUNDS);
    let held: Vec<_> = [1, 1, 2, 2].map(|last| ordinary(&places, last)).into_iter().collect();
    let _third = ordinary(&places, 3);
    assert!(held[0].closed().is_cancelled());
}

#[test]
fn when_nothing_is_silent_there_are_places_for_probes_only() {
    let places = ConnectionSlots::new(BOUNDS);
    let held: Vec<_> = [1, 1, 1, 2].map(|last| ordinary(&places, last)).into_iter().collect();
    let busy: Vec<_> = held.iter().map(|place| place.activity().begin()).collect();
    let (first, second) = (places.place(address(1)).unwrap(), places.place(address(9)).unwrap());
    assert_eq!((first.kind(), second.kind()), (SlotKind::Reserve, SlotKind::Reserve));
    let third = places.place(address(1)).unwrap();
    assert!(first.closed().is_cancelled() && !second.closed().is_cancelled(), "the oldest silent one of the reserve");
    let _answered = [second.activity().begin(), third.activity().begin()];
    assert!(places.place(address(9)).is_none());
    assert_eq!(places.refused(), 1);
    drop(busy);
    assert_eq!(places.place(address(9)).unwrap().kind(), SlotKind::Ordinary, "one that has become silent gives way");
}

#[test]
fn a_place_is_free_again_when_its_connection_ends() {
    let places = ConnectionSlots::new(BOUNDS);
    drop([1, 1, 1, 2].map(|last| ordinary(&places, last)));
    assert_eq!(places.taken(), 0);
    assert!(places.0.hold().by_address.is_empty());
    let place = ordinary(&places, 1);
    for _ in 0..4 {
        ordinary(&places, 1);
    }
    assert_eq!(places.taken(), 1);
    drop(place);
    assert_eq!((places.taken(), places.0.hold().ordinary), (0, 0), "one that gave way is not given back twice");
}
