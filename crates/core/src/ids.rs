//! The identifiers that are 128 random bits: [`LogId`], [`OpId`] and [`OwnerId`].

use std::{fmt, str::FromStr};

/// Why a text is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no identifier: it must be 32 hexadecimal digits")]
pub struct IdError(String);

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 16]);

        impl $name {
            /// The identifier from its bytes.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub fn to_bytes(self) -> [u8; 16] {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", u128::from_be_bytes(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
                match u128::from_str_radix(text, 16) {
                    Ok(bits) if digits => Ok(Self(bits.to_be_bytes())),
                    _ => Err(IdError(text.to_owned())),
                }
            }
        }
    };
}

random_id! {
    /// Which log: chosen once, when the log is created. A checkpoint of another log is foreign.
    LogId
}
random_id! {
    /// Which write: whatever is retried under the same id stands in the log once.
    OpId
}
random_id! {
    /// Which process: the holder of a lease.
    OwnerId
}
