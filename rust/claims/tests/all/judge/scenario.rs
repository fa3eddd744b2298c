//! Scenarios, and the children that run them.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use claims::measure::process;
use claims::scenario::call::CallScenario;
use claims::scenario::cross_thread::{CrossThread, HandOver};
use claims::scenario::futures::{TalkFuture, first_difference};
use claims::scenario::idle_tasks::{Footprint, Idle, Sleeper};
use claims::scenario::polls::Polls;
use claims::scenario::{Scenario, child};

const IDLE: Scenario = Scenario::Idle(Idle {
    what: Sleeper::Tasks,
    count: 1000,
});

#[test]
fn every_call_can_be_made() {
    for call in CallScenario::all() {
        assert_eq!(call.to_string().parse::<CallScenario>().ok(), Some(call));
        if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            Scenario::Call(call)
                .run_here()
                .unwrap_or_else(|error| panic!("{call}: {error}"));
        }
    }
}

#[test]
fn every_hand_over_can_be_made() {
    for how in HandOver::ALL {
        let scenario = Scenario::CrossThread(CrossThread { how, times: 7 });
        scenario.run_here().expect("it runs");
    }
}

#[test]
fn every_scenario_is_read_as_it_is_written() {
    let polls = Polls {
        polls: 4,
        calls: 1,
        in_task: true,
    };
    let mut all = vec![
        Scenario::AllCalls { times: 10 },
        Scenario::Polls(polls),
        Scenario::Future(TalkFuture::Greet),
        IDLE,
    ];
    all.extend(CallScenario::all().into_iter().map(Scenario::Call));
    let hand_over = |how| Scenario::CrossThread(CrossThread { how, times: 7 });
    all.extend(HandOver::ALL.map(hand_over));
    #[cfg(target_os = "linux")]
    all.extend(zero_cost_ffi::thread_ring::Variant::ALL.map(ring));
    for scenario in all {
        let read = serde_json::from_str::<Scenario>(&scenario.to_string());
        assert_eq!(read.ok(), Some(scenario));
    }
    assert_eq!(
        IDLE.to_string(),
        r#"{"idle":{"what":"tasks","count":1000}}"#
    );
}

#[cfg(target_os = "linux")]
fn ring(variant: zero_cost_ffi::thread_ring::Variant) -> Scenario {
    let plan = zero_cost_ffi::thread_ring::Plan {
        stages: 8,
        in_flight: 4,
        hops_each: 3,
        buffer: 64,
    };
    Scenario::ThreadRing(claims::scenario::thread_ring::ThreadRing { variant, plan })
}

#[test]
fn a_child_answers() {
    let footprint: Footprint = child::measure(IDLE).expect("it answers");
    let [asleep, allocations, left] = [footprint.asleep, footprint.allocations, footprint.left];
    assert_eq!([asleep, allocations, left], [1000, 1000, 0]);
}

#[test]
fn an_answer_of_another_kind_is_an_error() {
    let error = child::measure::<String>(IDLE).expect_err("it is an object");
    let said = error.to_string();
    assert!(
        said.contains(r#"{"idle":{"what":"tasks","count":1000}}"#)
            && said.contains("cannot be read"),
        "{said}"
    );
}

/// Three times the size of this machine: a child that would take long.
#[test]
fn a_child_ends_with_its_time() {
    let endless = Scenario::AllCalls { times: usize::MAX };
    let start = Instant::now();
    let error = child::run(endless, Duration::from_millis(300)).expect_err("it does not end");
    assert!(
        error
            .to_string()
            .contains("had not ended after 0.3 seconds"),
        "{error}"
    );
    // Without anybody who waits for it, it ends itself.
    let mut alone = child::command(endless, Duration::from_secs(1)).expect("this program");
    let status = alone.status().expect("it starts");
    assert!(!status.success());
    assert!(start.elapsed() < Duration::from_secs(30));
}

/// The judge's own entry point, asked for something else than a scenario.
fn asked(request: Option<&str>) -> Output {
    let mut judge = Command::new(env!("CARGO_BIN_EXE_claims"));
    judge.arg("scenario").env_remove(child::VARIABLE);
    judge.envs(request.map(|request| (child::VARIABLE, request)));
    process::output(&mut judge, Duration::from_secs(60)).expect("it ends")
}

#[test]
fn what_is_no_scenario_is_refused() {
    let request = |scenario: &str| format!(r#"{{"schema":1,"limit":10,"scenario":{scenario}}}"#);
    for (asked_for, said) in [
        (None, "CLAIMS_SCENARIO is not set".to_owned()),
        (Some("rust/say".to_owned()), "is no scenario: ".to_owned()),
        (Some("{}".to_owned()), "missing field `schema`".to_owned()),
        (
            Some(r#"{"schema":2,"anything":"else"}"#.to_owned()),
            "has schema 2, and this version reads 1".to_owned(),
        ),
        (
            Some(request(r#"{"sing":1}"#)),
            "unknown variant `sing`".to_owned(),
        ),
        (
            Some(request(r#"{"call":"rust/shout"}"#)),
            "no call rust/shout".to_owned(),
        ),
        (
            Some(request(r#"{"idle":{"what":"tasks","count":-1}}"#)),
            "invalid value: integer `-1`".to_owned(),
        ),
    ] {
        let output = asked(asked_for.as_deref());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{asked_for:?}: {stderr}");
        assert!(stderr.contains(&said), "{asked_for:?}: {stderr}");
    }
    let output = asked(Some(&request(r#"{"call":"rust/say"}"#)));
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("Hello"));
}

#[test]
fn a_difference_is_named() {
    let lines = |text: &[&str]| text.iter().map(|&line| line.to_owned()).collect::<Vec<_>>();
    let one = lines(&["polled", "Hi!", "panics: this"]);
    assert_eq!(
        first_difference(&one, &lines(&["polled", "Hi!", "panics: that"])),
        None
    );
    assert_eq!(
        first_difference(&one, &lines(&["polled", "Hi?", "panics: this"])),
        Some("\"Hi!\" and \"Hi?\"".to_owned())
    );
    assert_eq!(
        first_difference(&one, &lines(&["polled", "Hi!"])),
        Some("\"panics: this\" and \"nothing\"".to_owned())
    );
}
