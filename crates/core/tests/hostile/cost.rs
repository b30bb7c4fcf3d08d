//! What a case costs.

use std::{fs, time::Duration};

/// How long one case may take on the processor.
const TIME_MAX: Duration = Duration::from_millis(100);
/// The same where the input is megabytes long: each byte is looked at, by a replica several times.
const LARGE_TIME_MAX: Duration = Duration::from_secs(1);
const LARGE: usize = 1024 * 1024;
/// How much more memory refusing may take at its height.
pub(crate) const REFUSED_KIB_MAX: u64 = 64 * 1024;

/// Runs one case of `bytes` bytes, and says what it cost. `kib_max` bounds the growth of memory.
pub(crate) fn within_bounds<T>(case: &str, bytes: usize, kib_max: u64, run: impl FnOnce() -> T) -> T {
    // Printed before, so that the case that ends the process is known.
    eprint!("{case}: ");
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, started) = (peak_kib(), time_on_processor());
    let result = run();
    let (took, grown) = (time_on_processor().saturating_sub(started), peak_kib().saturating_sub(before));
    eprintln!("{} ms, {grown} KiB", took.as_millis());
    let time_max = if bytes > LARGE { LARGE_TIME_MAX } else { TIME_MAX };
    assert!(took <= time_max, "{case} took {took:?}");
    assert!(grown <= kib_max, "{case} took {grown} KiB");
    result
}

/// The largest resident set since the last reset.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// How long this thread has run.
fn time_on_processor() -> Duration {
    let schedule = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(schedule.split(' ').next().unwrap().parse().unwrap())
}
