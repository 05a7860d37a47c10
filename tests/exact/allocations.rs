use super::{allocator::allocations, figures::figure, traffic};

const MESSAGES: usize = 500;

#[test]
fn moving_a_message_allocates_nothing() {
    // Boxes count; or the rest would prove nothing.
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
    let mut cases = traffic::cases();
    let mut total = 0;
    for case in &mut cases {
        let count = allocations(|| case.run(MESSAGES));
        assert_eq!(count, 0, "{}", case.name);
        total += count;
    }
    println!("{} cases of {MESSAGES} messages", cases.len());
    assert!(cases.len() >= 40);
    figure("P9", "allocations of a message", total, 0);
}
