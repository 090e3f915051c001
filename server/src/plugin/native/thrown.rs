//! What a library throws. The header forbids it, and no Rust code can catch a foreign exception: to do so ends the process.
//! Destructors run while one passes, though, and one that does not return stops it. Its thread stays there for good.

/// Calls into a library. Where something is thrown out of it, `stopped` is run and this thread waits for ever; every
/// frame below has been left in order. What a library declares `noexcept`, or throws on a thread of its own, still ends the
/// process.
pub(super) fn stopping<T>(call: impl FnOnce() -> T, stopped: impl FnOnce()) -> T {
    let mut stop = Stop(Some(stopped));
    let answer = call();
    stop.0 = None;
    answer
}

struct Stop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for Stop<F> {
    fn drop(&mut self) {
        let Some(stopped) = self.0.take() else { return };
        // A panic of the server's own goes on to who catches it.
        if std::thread::panicking() {
            return;
        }
        stopped();
        loop {
            std::thread::park();
        }
    }
}
