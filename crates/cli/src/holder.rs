//! Who this process is, for people who meet its leases.

/// The host and the process.
pub(crate) fn holder() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    let host = host.map_or_else(|| "an unnamed host".to_owned(), |host| host.trim().to_owned());
    format!("oplogsync process {} on {host}", std::process::id())
}
