//! `$rename`: sets the target, then removes the source.

use super::{
    UpdateError,
    path::{Found, Path, create},
    value::Value,
};

/// Checks the two paths of a `$rename`.
pub(super) fn check(from: &Path, to: &Path) -> Result<(), UpdateError> {
    if from.conflicts(to) {
        return Err(UpdateError::bad_value(format!("$rename cannot move `{from}` to `{to}`: one contains the other")));
    }
    from.check_filters(std::iter::empty())?;
    from.check_positional()?;
    to.check_positional()
}

/// What a `$rename` has done.
pub(super) enum Renamed {
    /// There is no source.
    Nothing,
    /// The source is gone; the target was there and equal.
    Removed,
    /// The target has changed, at this level.
    Moved { level: usize },
}

/// Moves the field at `from` to `to`, if there is one.
pub(super) fn apply<'a>(from: &Path, to: &'a Path, root: &mut Value<'a>) -> Result<Renamed, UpdateError> {
    let source = from.survey(root);
    if source.taken < from.parts().len() {
        let blocked = source.blocked && source.taken > 0;
        let part = from.parts().get(source.taken).map_or("", |part| part);
        return if blocked { Err(UpdateError::path_not_viable(part)) } else { Ok(Renamed::Nothing) };
    }
    let target = to.survey(root);
    if source.through_array || target.through_array {
        return Err(UpdateError::bad_value(format!("$rename cannot move `{from}` to `{to}` through an array")));
    }
    let Found::Child { parent, at } = from.find(root) else { return Ok(Renamed::Nothing) };
    let value = parent.child_mut(at).clone();
    let renamed = match to.find(root) {
        Found::Child { parent, at } => {
            let old = parent.child_mut(at);
            let changed = old.sort_key() != value.sort_key();
            if changed {
                *old = value;
            }
            if changed { Renamed::Moved { level: to.parts().len() } } else { Renamed::Removed }
        }
        Found::Missing { deepest, taken } => {
            create(deepest, to.parts().get(taken..).unwrap_or_default(), value)?;
            Renamed::Moved { level: taken + 1 }
        }
    };
    if let Found::Child { parent: Value::Document(fields), at } = from.find(root) {
        fields.remove(at);
    }
    Ok(renamed)
}
