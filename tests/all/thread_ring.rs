//! Every variant of the thread ring does what it says, and refuses what it cannot do.

#![cfg(target_os = "linux")]

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use zero_cost_ffi::thread_ring::{Error, Plan, Run, Variant, creation, processor, uring};

const PLAN: Plan = Plan {
    stages: 8,
    in_flight: 4,
    hops_each: 25,
    buffer: 64,
};

/// Runs it, within a minute: a message that is lost would be waited for in vain.
fn run(plan: &Plan, variant: Variant) -> Result<Run, Error> {
    let (done, result) = mpsc::channel();
    let plan = *plan;
    // It has the processors of who starts it.
    thread::spawn(move || done.send(plan.run(variant)));
    result
        .recv_timeout(Duration::from_secs(60))
        .expect("it ends, and does not panic")
}

/// io_uring may be absent, or forbidden: that is said.
fn can(variant: Variant) -> bool {
    match uring::check() {
        Err(why) if variant == Variant::IoUring => {
            eprintln!("not checked: io_uring: {why}");
            false
        }
        _ => true,
    }
}

#[test]
fn every_variant_moves_every_message() {
    for variant in Variant::ALL.into_iter().filter(|variant| can(*variant)) {
        for stages in [2, 3, 8, 31] {
            for in_flight in [1, stages / 2] {
                for (hops_each, buffer) in [(1, 1), (1, 64), (25, 1), (25, 3), (25, 64)] {
                    let plan = Plan {
                        stages,
                        in_flight,
                        hops_each,
                        buffer,
                    };
                    let run = run(&plan, variant)
                        .unwrap_or_else(|error| panic!("{variant}, {plan:?}: {error}"));
                    assert!(!run.elapsed.is_zero(), "{variant}, {plan:?}");
                }
            }
        }
    }
}

/// On one processor a hop by another thread is behind a switch; by another task it is not.
#[test]
fn threads_are_switched_out_and_tasks_are_not() {
    let plan = Plan {
        in_flight: 1,
        hops_each: 100,
        ..PLAN
    };
    let switches = |variant| {
        let run = processor::on_one(|| run(&plan, variant)).expect("it runs");
        run.switches.expect("they are told")
    };
    for variant in [Variant::Threads, Variant::ThreadChannels] {
        let switched = switches(variant).all();
        assert!(
            switched >= (plan.hops() - plan.stages) as u64,
            "{variant}: {switched}"
        );
    }
    for variant in Variant::ALL {
        if !matches!(variant, Variant::Threads | Variant::ThreadChannels) && can(variant) {
            assert_eq!(switches(variant).voluntary, 0, "{variant}");
        }
    }
}

#[test]
fn what_is_absurd_is_refused() {
    for (plan, said) in [
        (
            Plan { stages: 0, ..PLAN },
            "0 stages: it must be 2 to 100000",
        ),
        (Plan { stages: 1, ..PLAN }, "1 stages"),
        (
            Plan {
                stages: usize::MAX,
                ..PLAN
            },
            "stages: it must be 2 to 100000",
        ),
        (
            Plan {
                in_flight: 0,
                ..PLAN
            },
            "0 messages in flight: it must be 1 to 4 (one for every second stage)",
        ),
        (
            Plan {
                in_flight: 5,
                ..PLAN
            },
            "5 messages in flight",
        ),
        (
            Plan {
                hops_each: 0,
                ..PLAN
            },
            "0 hops of a stage",
        ),
        (
            Plan {
                hops_each: usize::MAX,
                ..PLAN
            },
            "hops of a stage",
        ),
        (Plan { buffer: 0, ..PLAN }, "0 bytes of buffer"),
        (
            Plan {
                buffer: 1 << 17,
                ..PLAN
            },
            "131072 bytes of buffer: it must be 1 to 65536",
        ),
    ] {
        for variant in Variant::ALL {
            let error = run(&plan, variant).expect_err("it is absurd");
            assert!(matches!(error, Error::Absurd { .. }), "{error:?}");
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}

/// 100,000 stages have twice as many ends of pipes, which is beyond most limits.
#[test]
fn too_many_stages_are_refused_before_anything_starts() {
    let plan = Plan {
        stages: 100_000,
        ..PLAN
    };
    match plan.check(Variant::Tokio) {
        Err(Error::FileDescriptors { needed, limit }) => {
            assert!(needed > limit && needed == 200_032)
        }
        Err(error) => panic!("{error}"),
        // The limit of this machine is above that.
        Ok(()) => {}
    }
    // No pipes, no limit.
    assert!(plan.check(Variant::TaskChannels).is_ok());
}

#[test]
fn an_old_kernel_is_told_from_a_forbidding_one() {
    let said = |code| {
        let source = std::io::Error::from_raw_os_error(code);
        Error::NoIoUring { source }.to_string()
    };
    assert!(said(libc::ENOSYS).contains("it takes Linux 5.6 or later"));
    assert!(said(libc::EPERM).contains("sysctl kernel.io_uring_disabled=0"));
    assert!(said(libc::ENOMEM).contains("no io_uring: "));
}

#[test]
fn what_is_made_takes_time() {
    assert!(!creation::threads(2).expect("threads").is_zero());
    assert!(!creation::tasks(2).expect("a runtime").is_zero());
}

#[test]
fn variants_have_names() {
    for variant in Variant::ALL {
        assert_eq!(Variant::named(variant.word()), Some(variant));
        assert_eq!(variant.to_string(), variant.word());
    }
    assert_eq!(Variant::named("smoke"), None);
}
