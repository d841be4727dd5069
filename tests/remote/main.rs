//! Trainings on devices of other processes. Each worker is a process that a test starts, on a port of the
//! loopback interface, and ends by its handle.

#[path = "../flows/common.rs"]
#[allow(dead_code)]
mod common;
mod distributed;
mod faults;
mod parity;
mod proxy;
mod training;
mod worker;
