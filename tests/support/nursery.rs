//! Where child processes are born: on one thread that lives as long as the process.
//!
//! Linux sends a child its parent-death signal when the *thread* that forked it ends. A test's thread ends with the
//! test, and what the tests share would die with whichever test started it.

use std::io;
use std::process::{Child, Command};
use std::sync::{LazyLock, Mutex, mpsc};

struct Order {
    command: Command,
    born: mpsc::Sender<io::Result<Child>>,
}

static NURSERY: LazyLock<Mutex<mpsc::Sender<Order>>> = LazyLock::new(|| {
    let (orders, queue) = mpsc::channel::<Order>();
    std::thread::Builder::new()
        .name("nursery".into())
        .spawn(move || {
            for Order { mut command, born } in queue {
                let _ = born.send(command.spawn());
            }
        })
        .expect("start the thread that starts children");
    Mutex::new(orders)
});

/// Starts a command whose parent, for the kernel, is a thread that never ends.
pub fn spawn(command: Command) -> io::Result<Child> {
    let (born, child) = mpsc::channel();
    NURSERY.lock().expect("no order panics").send(Order { command, born }).expect("the nursery never ends");
    child.recv().expect("the nursery answers every order")
}
