//! The equations of the paper against reference values. The schedule of Eq. 1 needs no device.

use crate::checks;

#[test]
#[ignore = "needs a wgpu adapter"]
fn eq_3_projected_step() {
    checks::eq_3_projected_step();
}

#[test]
#[ignore = "needs a wgpu adapter"]
fn eq_5_projector() {
    checks::eq_5_projector();
}

#[test]
#[ignore = "needs a wgpu adapter"]
fn eq_6_7_8_fusion() {
    checks::eq_6_7_8_fusion();
}
