//! The equations of the paper against reference values.

use crate::checks;

#[test]
fn eq_1_schedule() {
    checks::eq_1_schedule();
}

#[test]
fn eq_3_projected_step() {
    checks::eq_3_projected_step();
}

#[test]
fn eq_5_projector() {
    checks::eq_5_projector();
}

#[test]
fn eq_6_7_8_fusion() {
    checks::eq_6_7_8_fusion();
}
