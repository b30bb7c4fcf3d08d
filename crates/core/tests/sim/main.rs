//! The simulator over many schedules, and the proof that it finds what it is there to find.
//!
//! `OPLOGSYNC_SCHEDULES=100000` runs more schedules, `OPLOGSYNC_FIRST_SEED=1000000` others, and
//! `OPLOGSYNC_SEED=73 cargo test -p oplogsync-core --test sim one -- --nocapture` shows one.

#![allow(clippy::unwrap_used, reason = "tests")]

mod planted;
mod schedules;
