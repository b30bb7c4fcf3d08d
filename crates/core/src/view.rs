//! [`View`]: what a target makes of the entries of a log.

use std::sync::Arc;

use crate::{
    apply::Mode,
    catch_up::{CatchUp, Verdict},
    command::Action,
    entry::{Entry, Operation},
    filter::Filter,
    namespace::{DatabaseName, Namespace},
};

/// What a target makes of the entries of a log: which ones concern it, under which names, and which
/// ones it holds already. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct View {
    filter: Filter,
    catch_up: Option<Arc<CatchUp>>,
}

impl PartialEq for View {
    fn eq(&self, other: &Self) -> bool {
        // Clones share it, and it may be long.
        let is_same_catch_up = match (&self.catch_up, &other.catch_up) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one == other,
            (one, other) => one.is_none() && other.is_none(),
        };
        self.filter == other.filter && is_same_catch_up
    }
}

/// What a target makes of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// Nothing.
    Skip,
    /// To do it.
    Run {
        /// What of it concerns the target, by the source's names.
        source: Action,
        /// The same by the target's names.
        target: Action,
    },
    /// To note this, by the source's names, for the end of the catch-up.
    Defer(Action),
    /// To copy these collections, by the source's names, again.
    Recopy(Vec<Namespace>),
    /// To drop, one by one, what came from this database of the source, but for what was
    /// [copied later](CatchUp::is_from_later).
    Clear(DatabaseName),
}

impl View {
    /// Of everything, as it is.
    pub fn whole() -> Self {
        Self::default()
    }

    /// Of what passes `filter`.
    pub fn through(filter: Filter) -> Self {
        Self { filter, catch_up: None }
    }

    /// The same for a target that was copied and has not caught up.
    #[must_use]
    pub fn catching_up(self, catch_up: Option<Arc<CatchUp>>) -> Self {
        Self { catch_up, ..self }
    }

    /// The filter.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The catch-up, if there is one.
    pub fn catch_up(&self) -> Option<&CatchUp> {
        self.catch_up.as_deref()
    }

    /// Whether it shows everything as it is.
    pub fn is_whole(&self) -> bool {
        self.catch_up.is_none() && self.filter.is_everything()
    }

    /// How an entry that changes a document is to be applied.
    pub(crate) fn mode(&self, entry: &Entry) -> Mode {
        self.catch_up.as_ref().map_or(Mode::Steady, |catch_up| catch_up.mode(entry))
    }

    /// What a target makes of the command in `entry`; `None` when there is none in it.
    pub fn command(&self, entry: &Entry) -> Option<Seen> {
        let Operation::Command(command) = entry.operation() else { return None };
        let (action, verdict) = match self.passing(command.action()) {
            Passing::Nothing => return Some(Seen::Skip),
            Passing::Arrival(ns) => {
                let arrives = || Verdict::Recopy(vec![ns.clone()]);
                let verdict = self.catch_up().map_or_else(arrives, |catch_up| catch_up.judge_arrival(&ns, entry));
                (command.action().clone(), verdict)
            }
            Passing::Action(action) => {
                let verdict = self.catch_up().map_or_else(|| self.judge(&action), |it| it.judge(&action, entry));
                (action, verdict)
            }
        };
        Some(match verdict {
            Verdict::Skip => Seen::Skip,
            Verdict::Defer => Seen::Defer(action),
            Verdict::Recopy(names) => Seen::Recopy(names),
            Verdict::Clear => Seen::Clear(action.database()),
            Verdict::Apply => match self.renamed(&action) {
                Some(target) => Seen::Run { source: action, target },
                None => Seen::Skip,
            },
        })
    }

    /// What to do about a command where nothing was copied.
    fn judge(&self, action: &Action) -> Verdict {
        match action {
            // A source need not tell that its collections go one by one before; of views it never does.
            Action::DropDatabase { database } if !self.filter.is_whole(database.as_str()) => Verdict::Clear,
            _ => Verdict::Apply,
        }
    }

    /// What of a command passes the filter, by the source's names.
    fn passing(&self, action: &Action) -> Passing {
        let passes = |ns: &Namespace| self.filter.map(ns).is_some();
        match action {
            Action::Rename { ns, to, .. } => match (passes(ns), passes(to)) {
                (true, true) => Passing::Action(action.clone()),
                // Whatever happens to it under its new name does not concern the target.
                (true, false) => Passing::Action(Action::Drop { ns: ns.clone() }),
                (false, true) => Passing::Arrival(to.clone()),
                (false, false) => Passing::Nothing,
            },
            Action::DropDatabase { .. } => Passing::Action(action.clone()),
            Action::Create { ns, .. }
            | Action::Drop { ns }
            | Action::CreateIndexes { ns, .. }
            | Action::DropIndexes { ns, .. }
            | Action::Modify { ns, .. } => {
                if passes(ns) {
                    Passing::Action(action.clone())
                } else {
                    Passing::Nothing
                }
            }
        }
    }

    /// A command that passes, by the target's names.
    fn renamed(&self, action: &Action) -> Option<Action> {
        let map = |ns: &Namespace| self.filter.map(ns);
        Some(match action.clone() {
            Action::DropDatabase { database } => {
                let inside = database.collection("x").ok().and_then(|ns| map(&ns))?;
                Action::DropDatabase { database: inside.database_name() }
            }
            Action::Rename { ns, to, drop_target } => Action::Rename { ns: map(&ns)?, to: map(&to)?, drop_target },
            Action::Create { ns, options } => Action::Create { ns: map(&ns)?, options },
            Action::Drop { ns } => Action::Drop { ns: map(&ns)? },
            Action::CreateIndexes { ns, indexes } => Action::CreateIndexes { ns: map(&ns)?, indexes },
            Action::DropIndexes { ns, names } => Action::DropIndexes { ns: map(&ns)?, names },
            Action::Modify { ns, changes } => Action::Modify { ns: map(&ns)?, changes },
        })
    }
}

/// What a filter lets pass of a command.
enum Passing {
    Nothing,
    Action(Action),
    /// A collection whose documents the filter has kept away so far, by the source's name.
    Arrival(Namespace),
}

#[cfg(test)]
mod tests;
