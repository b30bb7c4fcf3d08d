//! [`Mix`]: how often each operation occurs in generated writes.

use std::str::FromStr;

/// Parts of inserts, updates and deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mix {
    /// Inserts.
    pub(crate) insert: u32,
    /// Updates.
    pub(crate) update: u32,
    /// Deletes.
    pub(crate) delete: u32,
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut mix = Self { insert: 0, update: 0, delete: 0 };
        for part in text.split(',') {
            let (name, parts) = part.split_once('=').ok_or_else(|| format!("`{part}` is not of the form insert=60"))?;
            let parts: u32 = parts
                .parse()
                .ok()
                .filter(|parts| *parts <= 1000)
                .ok_or_else(|| format!("`{part}`: the number must be between 0 and 1000"))?;
            match name {
                "insert" => mix.insert = parts,
                "update" => mix.update = parts,
                "delete" => mix.delete = parts,
                _ => return Err(format!("`{name}` is no operation: use insert, update and delete")),
            }
        }
        if mix.insert == 0 { Err("without inserts there is nothing to update or delete".to_owned()) } else { Ok(mix) }
    }
}
