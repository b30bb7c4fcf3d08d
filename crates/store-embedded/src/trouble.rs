//! [`Trouble`]: a failure that does not yet know its node and what was being done.

use std::{error::Error, io};

use oplogsync_core::store_error::{Fault, StoreError};

use crate::engine::Failure;

type Cause = Box<dyn Error + Send + Sync>;

/// The failure that has poisoned a store, for all who come later.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the first failure was: {0}")]
pub(crate) struct Earlier(Box<str>);

impl Earlier {
    /// What a later call meets.
    pub(crate) fn again(&self) -> Trouble {
        Trouble::new(Fault::Poisoned).because(self.clone())
    }
}

/// What went wrong, and whether the engine can be trusted afterwards.
#[derive(Debug)]
pub(crate) struct Trouble {
    fault: Box<Fault>,
    cause: Option<Cause>,
    poisons: bool,
}

impl Trouble {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { fault: Box::new(fault), cause: None, poisons: false }
    }

    pub(crate) fn because(mut self, cause: impl Into<Cause>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The same, which here is another fault.
    pub(crate) fn meaning(self, fault: Fault) -> Self {
        Self { fault: Box::new(fault), ..self }
    }

    /// After this nothing more may be written: memory and disk may differ.
    pub(crate) fn poisoning(mut self) -> Self {
        self.poisons = true;
        self
    }

    pub(crate) fn poisons(&self) -> bool {
        self.poisons
    }

    /// For those who come after it.
    pub(crate) fn as_earlier(&self) -> Earlier {
        if let Some(earlier) = self.cause.as_ref().and_then(|cause| cause.downcast_ref::<Earlier>()) {
            return earlier.clone();
        }
        let text = match &self.cause {
            Some(cause) => format!("{}: {cause}", self.fault),
            None => self.fault.to_string(),
        };
        Earlier(text.into())
    }

    /// The caller broke the contract of the trait.
    pub(crate) fn defect(what: impl Into<Cause>) -> Self {
        Self::new(Fault::Defect).because(what)
    }

    /// The engine failed to read.
    pub(crate) fn reading(failure: Failure) -> Self {
        match failure {
            // A file is shorter than what was written to it.
            Failure::Io(io) if io.kind() == io::ErrorKind::UnexpectedEof => Self::new(Fault::Corrupt).because(io),
            Failure::Io(io) => Self::new(io_fault(&io, Fault::Unavailable)).because(io),
            Failure::Corrupt(cause) => Self::new(Fault::Corrupt).because(cause),
            Failure::Incompatible(cause) => Self::new(Fault::Incompatible).because(cause),
            Failure::InUse => Self::new(Fault::Unavailable),
            Failure::Poisoned(cause) => Self::new(Fault::Poisoned).because(cause).poisoning(),
        }
    }

    /// The engine failed to write. It is final: what is in memory may not reach the disk any more.
    pub(crate) fn writing(failure: Failure) -> Self {
        match failure {
            Failure::Io(io) => Self::syncing(io),
            other => Self::reading(other).poisoning(),
        }
    }

    /// A write to the disk failed. It is final: the kernel may have dropped what it could not write.
    pub(crate) fn syncing(error: io::Error) -> Self {
        Self::new(io_fault(&error, Fault::Poisoned)).because(error).poisoning()
    }

    /// With the node and what was being done.
    pub(crate) fn on(self, node: &str, doing: impl Into<Box<str>>) -> StoreError {
        let error = StoreError::new(node, doing, *self.fault);
        match self.cause {
            Some(cause) => error.because(cause),
            None => error,
        }
    }
}

/// The fault behind an I/O error; `otherwise` where the error itself does not tell.
pub(crate) fn io_fault(error: &io::Error, otherwise: Fault) -> Fault {
    match error.kind() {
        // A file that may not grow any more, by a limit of the process or of the file system, is full too.
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Fault::Full,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Fault::Denied,
        _ => otherwise,
    }
}
