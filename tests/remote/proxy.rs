//! A proxy before a worker that counts bytes, and interferes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// The start of the answer to a handshake, `Init` with a record of four entries, the first of them the
/// version of the protocol.
const ANSWER: &[u8] = b"Init\x94";

#[derive(Default)]
struct State {
    to_worker: AtomicU64,
    from_worker: AtomicU64,
    /// Number of further bytes to the worker after which all connections are cut; 0 for never.
    cut_after: AtomicU64,
    is_cut: AtomicBool,
    is_stalled: AtomicBool,
    changes_version: AtomicBool,
}

/// Ends when it is dropped.
pub struct Proxy {
    pub address: String,
    state: Arc<State>,
}

impl Proxy {
    pub fn before(worker: &str) -> Self {
        let worker = worker.strip_prefix("ws://").unwrap().to_string();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("ws://{}", listener.local_addr().unwrap());
        let state = Arc::<State>::default();
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                if shared.is_cut.load(Ordering::SeqCst) {
                    return;
                }
                let (client, worker) = (client.unwrap(), TcpStream::connect(&worker));
                let Ok(worker) = worker else {
                    continue;
                };
                // A small message must not wait for the acknowledgement of the one before.
                client.set_nodelay(true).unwrap();
                worker.set_nodelay(true).unwrap();
                for up in [true, false] {
                    let (client, worker) = (client.try_clone(), worker.try_clone());
                    let (client, worker) = (client.unwrap(), worker.unwrap());
                    let state = shared.clone();
                    thread::spawn(move || {
                        if up {
                            state.pass(client, worker, up);
                        } else {
                            state.pass(worker, client, up);
                        }
                    });
                }
            }
        });
        Self { address, state }
    }

    /// Bytes to and from the worker.
    pub fn bytes(&self) -> (u64, u64) {
        let count = |of: &AtomicU64| of.load(Ordering::SeqCst);
        (count(&self.state.to_worker), count(&self.state.from_worker))
    }

    /// Cuts all connections after `bytes` further bytes to the worker.
    pub fn cut_after(&self, bytes: u64) {
        let at = self.bytes().0 + bytes;
        self.state.cut_after.store(at, Ordering::SeqCst);
    }

    /// Holds back all bytes.
    pub fn stall(&self) {
        self.state.is_stalled.store(true, Ordering::SeqCst);
    }

    /// Answers handshakes with another version of the protocol.
    pub fn change_version(&self) {
        self.state.changes_version.store(true, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.is_cut.store(true, Ordering::SeqCst);
        self.state.is_stalled.store(false, Ordering::SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address.strip_prefix("ws://").unwrap());
    }
}

impl State {
    fn pass(&self, mut from: TcpStream, mut to: TcpStream, up: bool) {
        let mut buffer = vec![0; 1 << 16];
        from.set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        loop {
            if self.is_cut.load(Ordering::SeqCst) {
                break;
            }
            let n = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    continue;
                }
                Err(_) => break,
            };
            while self.is_stalled.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(10));
            }
            let bytes = &mut buffer[..n];
            if !up && self.changes_version.load(Ordering::SeqCst) {
                // The answer is one message of a few bytes, after that of HTTP.
                let at = bytes
                    .windows(ANSWER.len())
                    .position(|found| found == ANSWER);
                if let Some(at) = at {
                    bytes[at + ANSWER.len()] += 1;
                    self.changes_version.store(false, Ordering::SeqCst);
                }
            }
            let count = if up {
                &self.to_worker
            } else {
                &self.from_worker
            };
            let passed = count.fetch_add(n as u64, Ordering::SeqCst) + n as u64;
            let cut = self.cut_after.load(Ordering::SeqCst);
            if up && cut > 0 && passed >= cut {
                // Not all of the last message.
                let _ = to.write_all(&bytes[..n - (passed - cut).min(n as u64) as usize]);
                self.is_cut.store(true, Ordering::SeqCst);
                break;
            }
            if to.write_all(bytes).is_err() {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }
}
