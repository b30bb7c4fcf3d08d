//! [`ready`]: the result of a future that waits for nothing.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

/// The result of a future that is ready at once, as those of the memory store are.
///
/// # Panics
/// When it waits for something.
pub fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future waits for something"),
    }
}
