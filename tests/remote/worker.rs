//! A worker: this program, started again as a process that serves two flex devices.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::remote::{ConnectError, RemoteHost};
use burn::server::{RemoteServer, WebSocketTransport};
use burn::tensor::Device;

const PORT: &str = "BURN_MLA_WORKER_PORT";
const CHILD: [&str; 4] = [
    "--exact",
    "worker::the_worker_process",
    "--ignored",
    "--nocapture",
];

pub struct Worker {
    process: Child,
    pub address: String,
}

impl Worker {
    pub fn start() -> Self {
        Self::start_at(0)
    }

    /// A worker on a port, 0 for a free one.
    pub fn start_at(port: u16) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(CHILD).env(PORT, port.to_string());
        // The worker ends with its input, also when this process is killed.
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut lines = output.lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.find("ws://").map(|at| line[at..].to_string()));
        let address = address.expect("a worker prints its address");
        Self { process, address }
    }

    pub fn port(&self) -> u16 {
        self.address.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// As `kill -9`.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Workers, and a device of each.
pub fn workers(n: usize) -> (Vec<Worker>, Vec<Device>) {
    let workers: Vec<_> = (0..n).map(|_| Worker::start()).collect();
    let device = |worker: &Worker| connect(&worker.address).unwrap();
    let devices = workers.iter().map(device).collect();
    (workers, devices)
}

/// The first device of the worker at an address.
pub fn connect(address: &str) -> Result<Device, ConnectError> {
    Device::remote_options(&host(address)).init()
}

/// Both devices of the worker at an address.
pub fn connect_both(address: &str) -> Vec<Device> {
    host(address).devices().unwrap().into_iter().collect()
}

/// Burn keeps the session of a host for the life of the process, and hosts with different credentials are
/// different: a port that is used again gets a new session.
fn host(address: &str) -> RemoteHost {
    static SESSIONS: AtomicUsize = AtomicUsize::new(0);
    let session = SESSIONS.fetch_add(1, Ordering::Relaxed).to_string();
    RemoteHost::websocket(address).with_credential(session.as_str())
}

#[test]
#[ignore = "the process of a worker, which other tests start"]
fn the_worker_process() {
    let Ok(port) = std::env::var(PORT) else {
        return;
    };
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let listener = TcpListener::bind(("127.0.0.1", port.parse().unwrap())).unwrap();
    println!("\nws://{}", listener.local_addr().unwrap());
    let transport = WebSocketTransport::from_listener(listener);
    RemoteServer::new([Device::flex(), Device::flex()])
        .serve(transport)
        .unwrap();
}
