//! Shares of runs for several processes.

use clap::Parser;
use rstest::rstest;

use crate::share::{NoShare, Share};

#[derive(Debug, Parser)]
struct Arguments {
    #[arg(long, value_name = "I/N")]
    share: Option<Share>,
}

#[rstest]
#[case::all("0/1", &[0, 1, 2, 3, 4])]
#[case::first("0/2", &[0, 2, 4])]
#[case::second("1/2", &[1, 3])]
#[case::more_processes_than_runs("6/7", &[])]
fn a_share_is_every_nth_run(#[case] text: &str, #[case] runs: &[usize]) {
    let arguments = Arguments::try_parse_from(["compare", "--share", text]).unwrap();
    assert_eq!(arguments.share.unwrap().select((0..5).collect()), runs);
}

#[test]
fn without_the_argument_it_is_every_run() {
    let arguments = Arguments::try_parse_from(["compare"]).unwrap();
    let share = arguments.share.unwrap_or_default();
    assert_eq!(share.select(vec!["a", "b", "c"]), ["a", "b", "c"]);
}

#[test]
fn every_run_is_in_one_share() {
    for n in 1..=7 {
        let shares = (0..n).map(|i| format!("{i}/{n}").parse::<Share>().unwrap());
        let mut runs: Vec<usize> = shares
            .flat_map(|share| share.select((0..5).collect()))
            .collect();
        runs.sort();
        assert_eq!(runs, [0, 1, 2, 3, 4], "{n}");
    }
}

#[rstest]
fn what_is_no_share_is_an_error_that_names_the_argument_and_the_value(
    #[values(
        "0/0",
        "2/2",
        "3/2",
        "a/b",
        "1/b",
        "a/2",
        "1",
        "/",
        "1/",
        "/2",
        "",
        "0/2/3",
        "0/2 ",
        "-1/2",
        "0.5/2",
        "1/99999999999999999999"
    )]
    text: &str,
) {
    assert_eq!(text.parse::<Share>(), Err(NoShare));
    let argument = format!("--share={text}");
    let error = Arguments::try_parse_from(["compare", &argument]).unwrap_err();
    let message = error.to_string();
    let expected = format!("'{text}' for '--share <I/N>': {NoShare}");
    assert!(message.contains(&expected), "{message}");
}
