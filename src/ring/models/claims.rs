//! Lines that the writer claims ahead, against a reader that is not done with them.

use super::{beside, ends, expect, explore, preemptions, write};

#[test]
fn what_is_claimed_was_read() {
    explore(preemptions(3), || {
        let (mut reader, mut writer) = ends(8);
        write(&mut writer, b"abcdefgh");
        let (mut reader, mut writer) = beside(
            move || {
                expect(&mut reader, b"ab");
                expect(&mut reader, b"cde");
                reader
            },
            move || {
                // Each comes into another block, and claims what it knows to be free behind it.
                write(&mut writer, b"i");
                write(&mut writer, b"jk");
                writer
            },
        );
        expect(&mut reader, b"fgh");
        expect(&mut reader, b"ijk");
        write(&mut writer, b"lm");
        expect(&mut reader, b"lm");
    });
}
