//! What the environment adds to a configuration file.

use std::{env, path::Path};

/// The value of a variable; empty counts as unset.
pub(super) fn var(name: &str) -> Result<Option<String>, String> {
    match env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(format!("environment variable {name} is not valid UTF-8")),
    }
}

/// The prefix of the variables that concern the node `name`.
pub(super) fn node_prefix(name: &str) -> String {
    format!("OPLOGSYNC_NODE_{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// The URI that the environment gives the node `name`.
pub(super) fn node_uri(name: &str) -> Result<Option<String>, String> {
    let prefix = node_prefix(name);
    let (direct, file) = (var(&format!("{prefix}_URI"))?, var(&format!("{prefix}_URI_FILE"))?);
    match (direct, file) {
        (Some(_), Some(_)) => Err(format!("both {prefix}_URI and {prefix}_URI_FILE are set: unset one")),
        (Some(uri), None) => Ok(Some(uri)),
        (None, Some(file)) => read_uri_file(Path::new(&file)).map(Some),
        (None, None) => Ok(None),
    }
}

/// The URI in a file, for example a mounted secret; the line end does not count.
pub(super) fn read_uri_file(path: &Path) -> Result<String, String> {
    let text = super::text::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let uri = text.trim();
    if uri.is_empty() { Err(format!("{} is empty: it must hold the uri", path.display())) } else { Ok(uri.to_owned()) }
}

/// Replaces `${VAR}` by its value.
pub(super) fn expand(text: &str) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, tail) = after.split_once('}').ok_or("`${` has no `}` after it in the uri")?;
        let value = var(name)?;
        let value = value
            .ok_or_else(|| format!("environment variable {name} is not set, and the uri needs it: export {name}"))?;
        expanded.push_str(before);
        expanded.push_str(&value);
        rest = tail;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// Names of set variables that look like ours and mean nothing: most likely misspelt.
pub(super) fn unknown_variables(nodes: &[String]) -> Vec<String> {
    const OURS: [&str; 3] = ["OPLOGSYNC_NODE_", "OPLOGSYNC_SYNC_", "OPLOGSYNC_OPLOG_"];
    const KNOWN: [&str; 3] = ["OPLOGSYNC_SYNC_POLL_INTERVAL", "OPLOGSYNC_SYNC_BATCH_SIZE", "OPLOGSYNC_OPLOG_KEEP"];
    let known = |name: &str| {
        KNOWN.contains(&name)
            || nodes.iter().map(|node| node_prefix(node)).any(|prefix| {
                name.strip_prefix(&prefix).is_some_and(|suffix| suffix == "_URI" || suffix == "_URI_FILE")
            })
    };
    let set = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut unknown: Vec<_> =
        set.filter(|name| OURS.iter().any(|prefix| name.starts_with(prefix)) && !known(name)).collect();
    unknown.sort();
    unknown
}
