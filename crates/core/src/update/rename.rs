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
    Ok(())
}

/// Moves the field at `from` to `to`, if there is one. Says whether the target changed.
pub(super) fn apply<'a>(from: &Path, to: &'a Path, root: &mut Value<'a>) -> Result<Option<bool>, UpdateError> {
    let source = from.survey(root);
    if source.taken < from.parts().len() {
        let blocked = source.blocked && source.taken > 0;
        let part = from.parts().get(source.taken).map_or("", |part| part);
        return if blocked { Err(UpdateError::path_not_viable(part)) } else { Ok(None) };
    }
    let target = to.survey(root);
    if source.through_array || target.through_array {
        return Err(UpdateError::bad_value(format!("$rename cannot move `{from}` to `{to}` through an array")));
    }
    let Found::Child { parent, at } = from.find(root) else { return Ok(None) };
    let value = parent.child_mut(at).clone();
    let changed = match to.find(root) {
        Found::Child { parent, at } => {
            let old = parent.child_mut(at);
            let changed = old.sort_key() != value.sort_key();
            if changed {
                *old = value;
            }
            changed
        }
        Found::Missing { deepest, taken } => {
            create(deepest, to.parts().get(taken..).unwrap_or_default(), value)?;
            true
        }
    };
    if let Found::Child { parent: Value::Document(fields), at } = from.find(root) {
        fields.remove(at);
    }
    Ok(Some(changed))
}
