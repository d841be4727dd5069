//! Lends devices of this machine to trainings of other processes:
//! `cargo run --release -p burn-mla-examples --features remote --example worker -- --port 3000`.
//!
//! Prints its address, a line before the log, and serves until Ctrl-C. `emoji --device remote:ws://127.0.0.1:3000` trains on it.
//! Other machines reach it only with `--host`. The traffic is not encrypted, and whoever reaches the port
//! can use the devices: put it behind a tunnel, such as that of SSH or WireGuard. `WORKER_TOKEN` in the
//! environment of both sides keeps strangers out who cannot read the traffic.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, TcpListener};

use burn::server::{RemoteServer, TokenAuthorizer, WebSocketTransport};
use burn::tensor::Device;
use clap::Parser;

// A CPU backend allocates every result; with the allocator of glibc a step takes a fifth longer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Lends devices to trainings of other processes
#[derive(Parser)]
struct Args {
    /// Port; 0 for a free one
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Address to listen on; 0.0.0.0 for every IPv4 address of the machine
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// Kind of devices: flex; cuda or wgpu with the cargo feature of that name
    #[arg(long, default_value = "flex")]
    device: String,
    /// Number of devices, for cuda the first ones of the machine. A training is divided over all of them
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    count: u16,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let n = usize::from(args.count);
    let devices = match args.device.as_str() {
        "flex" => vec![Device::flex(); n],
        #[cfg(feature = "cuda")]
        "cuda" => (0..n).map(Device::cuda).collect(),
        #[cfg(feature = "wgpu")]
        "wgpu" if n == 1 => vec![Device::wgpu(Default::default())],
        #[cfg(feature = "wgpu")]
        "wgpu" => return Err("wgpu lends one device".into()),
        name => return Err(format!("device {name} is unknown or needs a cargo feature").into()),
    };
    let listener = TcpListener::bind((args.host, args.port))?;
    println!("ws://{}", listener.local_addr()?);
    let mut server = RemoteServer::new(devices);
    if let Ok(token) = std::env::var("WORKER_TOKEN") {
        server = server.with_authorizer(TokenAuthorizer::new(token)?);
    }
    Ok(server.serve(WebSocketTransport::from_listener(listener))?)
}
