//! From nothing to the first byte on the other side, and back to nothing.

use criterion::Criterion;

use crate::contenders::buffered;

pub(crate) fn group(c: &mut Criterion) {
    let mut group = c.benchmark_group("set_up");
    // The in-memory pipe has no buffer, so it cannot hold a first byte.
    for (name, make) in buffered(1) {
        group.bench_function(name, |b| {
            b.iter(|| {
                let (mut reader, mut writer) = make();
                writer.write_all(&[7]).expect("room");
                let mut byte = [0];
                reader.read_exact(&mut byte).expect("a byte");
                assert_eq!(byte, [7]);
            });
        });
    }
    group.finish();
}
