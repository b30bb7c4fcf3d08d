//! What a replica set holds is copied from snapshots of known times, and then followed.

mod copy;
mod pages;
