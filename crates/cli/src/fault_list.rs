//! [`FaultList`]: simulated faults as people type them.

use std::{fmt, str::FromStr};

use oplogsync_core::testing::sim::{FaultKind, Faults};

/// The list without any fault.
const NONE: &str = "none";

/// Names of faults, separated by commas; or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FaultList(pub(crate) Faults);

impl FromStr for FaultList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == NONE {
            return Ok(Self(Faults::NONE));
        }
        let kinds = text.split(',').map(|name| name.trim().parse::<FaultKind>());
        let faults: Result<Faults, _> = kinds.collect();
        faults.map(Self).map_err(|unknown| format!("{unknown}; use {NONE}, or some of {}", Self(Faults::all())))
    }
}

impl fmt::Display for FaultList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(FaultKind::name).collect();
        f.write_str(&if names.is_empty() { NONE.to_owned() } else { names.join(",") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_that_is_shown_is_read_back() {
        let some = [FaultKind::Delay, FaultKind::NodeCrash].into_iter().collect();
        for faults in [Faults::NONE, Faults::all(), some] {
            let list = FaultList(faults);
            assert_eq!(list.to_string().parse::<FaultList>().unwrap(), list, "{list}");
        }
    }

    #[test]
    fn what_is_no_fault_is_refused_with_all_that_are() {
        for text in ["", "dealy", "delay,", "none,delay", "Delay"] {
            let error = text.parse::<FaultList>().unwrap_err();
            assert!(FaultKind::ALL.iter().all(|kind| error.contains(kind.name())), "{error}");
        }
    }
}
