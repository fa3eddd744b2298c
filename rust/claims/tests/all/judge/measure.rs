//! What is measured, and how.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use claims::measure::{parallel, process};

#[test]
fn results_are_in_the_order_of_the_items() {
    let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let doubled = parallel::map(0..100, |number| {
        most.fetch_max(1 + running.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
        std::thread::sleep(Duration::from_micros(100 - number));
        running.fetch_sub(1, Ordering::SeqCst);
        2 * number
    });
    assert_eq!(
        doubled,
        (0..100).map(|number| 2 * number).collect::<Vec<_>>()
    );
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    assert!(most.into_inner() <= processors);
    assert!(parallel::map(Vec::<u8>::new(), |number| number).is_empty());
}

/// With all that it has started, and whatever holds its output.
#[cfg(unix)]
#[test]
fn what_does_not_end_is_ended() {
    let start = Instant::now();
    let limit = Duration::from_millis(50);
    for script in ["exec sleep 60", "sleep 60 & sleep 60", "sleep 60 & exit 0"] {
        let slept = process::stdout(Command::new("sh").args(["-c", script]), limit);
        assert!(
            matches!(slept, Err(process::Error::TooLong { .. })),
            "{script}: {slept:?}"
        );
    }
    assert!(start.elapsed() < Duration::from_secs(30));
}

/// Neither stream fills up while the other is read.
#[cfg(unix)]
#[test]
fn much_output_is_read_from_both_streams() {
    let script = "head -c 300000 /dev/zero >&2; head -c 200000 /dev/zero";
    let output = process::output(
        Command::new("sh").args(["-c", script]),
        Duration::from_secs(60),
    );
    let output = output.expect("it ends");
    assert_eq!(
        (output.stdout.len(), output.stderr.len()),
        (200_000, 300_000)
    );
}

#[cfg(unix)]
#[test]
fn a_failure_shows_what_the_command_said() {
    let script = "echo out; echo this is why >&2; exit 3";
    let failed = process::stdout(
        Command::new("sh").args(["-c", script]),
        Duration::from_secs(60),
    );
    let said = failed.expect_err("it fails").to_string();
    assert_eq!(said, "`sh` failed, exit status: 3\n  this is why");
    let nobody = process::stdout(
        &mut Command::new("/no/such/program"),
        Duration::from_secs(1),
    );
    assert!(
        matches!(nobody, Err(process::Error::Start { .. })),
        "{nobody:?}"
    );
}

mod allocations {
    use claims::measure::allocations::Count;

    /// To the byte, whatever other threads do.
    #[test]
    fn what_is_allocated_is_counted() {
        let before = Count::now();
        let mut buffer: Vec<u8> = Vec::with_capacity(1000);
        let (allocations, bytes, freed) = (1, 1000, 0);
        assert_eq!(
            Count::now() - before,
            Count {
                allocations,
                bytes,
                freed
            }
        );
        buffer.reserve_exact(2000);
        let (allocations, bytes, freed) = (2, 3000, 1000);
        assert_eq!(
            Count::now() - before,
            Count {
                allocations,
                bytes,
                freed
            }
        );
        drop(buffer);
        assert_eq!((Count::now() - before).freed, 3000);
        let before = Count::now();
        drop(std::thread::spawn(|| vec![0_u8; 5000]).join());
        assert!((Count::now() - before).bytes < 5000, "another thread's");
    }
}

mod limits {
    use claims::measure::limits::{Limit, memory, of_memory, of_threads, threads};

    fn limit(left: u64) -> Limit {
        Limit {
            name: "pids.max".to_owned(),
            left,
            raise: "`docker run --pids-limit` raises it",
        }
    }

    #[test]
    fn the_tightest_counts() {
        let limits = || vec![limit(5000), limit(999), limit(70_000)];
        assert!(threads(limits(), 999).is_ok());
        let error = threads(limits(), 1000).expect_err("one too many");
        assert_eq!(
            error.to_string(),
            "1000 threads are more than the 999 that pids.max leaves; `docker run --pids-limit` raises it"
        );
        assert!(memory(vec![limit(1 << 30)], 1 << 20, 1024).is_ok());
        let error = memory(vec![limit(1 << 30)], 1 << 20, 2048).expect_err("too much");
        assert!(
            error
                .to_string()
                .contains("take about 2048 MiB, and pids.max leaves 1024 MiB"),
            "{error}"
        );
        assert!(error.to_string().ends_with("`--tasks 524288`"), "{error}");
        assert!(memory(vec![limit(u64::MAX - 1)], u64::MAX, 1024).is_err());
        assert!(memory(Vec::new(), u64::MAX, 1024).is_ok());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_limits() {
        let names = |limits: Vec<Limit>| {
            limits
                .into_iter()
                .map(|limit| limit.name)
                .collect::<Vec<_>>()
        };
        assert!(
            names(of_memory())
                .iter()
                .any(|name| name.contains("MemAvailable"))
        );
        assert!(
            names(of_threads())
                .iter()
                .any(|name| name.contains("threads-max"))
        );
    }
}

#[cfg(target_os = "linux")]
mod blocked {
    use claims::measure::blocked::{CallSite, TICKS, Waiting, in_tasks};

    /// Two workers: two calls at a time, so four rounds for eight, and nothing else runs.
    #[test]
    fn a_call_that_waits_keeps_its_worker() {
        let found = in_tasks(8, CallSite::Poll).expect("it is seen");
        let expected = Waiting {
            in_c: 2,
            rounds: 4,
            ticks: 0,
        };
        assert_eq!(found, expected);
        // As many calls as there are workers wait at once all the same.
        assert_eq!(in_tasks(2, CallSite::Poll).expect("it is seen").rounds, 1);
    }

    /// The control: the same calls, elsewhere.
    #[test]
    fn on_threads_of_their_own_all_wait_at_once() {
        let found = in_tasks(8, CallSite::BlockingThread).expect("it is seen");
        let expected = Waiting {
            in_c: 8,
            rounds: 1,
            ticks: TICKS,
        };
        assert_eq!(found, expected);
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod walks {
    use barecall::walk::Walk;
    use claims::image_under_test::ImageUnderTest;
    use claims::report::Side;
    use claims::scenario::call::{CallScenario, Runtime};
    use std::rc::Rc;

    /// Instructions out and back, and stack switches.
    fn counts(walk: &Walk) -> (u64, u64, u64) {
        let switches = walk.out.stack_switches + walk.back.stack_switches;
        (walk.out.instructions, walk.back.instructions, switches)
    }

    /// As it was compiled for the tests: not optimised. `CLAIMS_REPEAT` takes every walk that many times.
    #[test]
    fn every_walk_is_the_same_in_every_repeat() {
        let subject = ImageUnderTest::current().expect("the test's own image");
        let often = [
            CallScenario::new(Side::Rust, "say"),
            CallScenario::new(Side::C, "say"),
            CallScenario::new(Side::Rust, "add_one"),
        ];
        let asked = std::env::var("CLAIMS_REPEAT")
            .ok()
            .and_then(|times| times.parse().ok());
        for act in CallScenario::all() {
            let few = if often.contains(&act) { 100 } else { 2 };
            let times = asked.unwrap_or(few);
            let walk = subject
                .walker(act)
                .unwrap_or_else(|error| panic!("{act}: {error}"))
                .repeat(times)
                .run()
                .unwrap_or_else(|error| panic!("{act}: {error}"));
            assert_eq!(walk.repeats.identical, times, "{act}: {walk}");
            println!("{act}: {:?}, {times} of {times}", counts(&walk));
            let expected = match act.side {
                Side::Rust | Side::CurrentThread | Side::MultiThread | Side::Go => (1, 0, 0),
                // gcc's default: through a PLT stub to a shared library, directly to a static one.
                Side::C if act.name.starts_with("say") => (2, 0, 0),
                Side::C => (1, 0, 0),
                Side::Control if act == CallScenario::VISIT_THROUGH_SHIM => (2, 0, 0),
                Side::Control => (7, 3, 2),
            };
            assert_eq!(counts(&walk), expected, "{act}:\n{walk}");
        }
    }

    /// The task's call is walked where it was executed, not where it might have been.
    #[test]
    fn a_spawned_task_is_walked_where_its_call_is() {
        let subject = ImageUnderTest::current().expect("the test's own image");
        for runtime in Runtime::BOTH {
            let act = CallScenario::new(runtime.side(), "return_address");
            let (_, taken) = &subject.walks(&[act])[0];
            let walk = taken.as_ref().as_ref().expect("it is walked");
            assert!(walk.is_bare(), "{walk}");
            let returned = runtime.return_address().expect("a runtime");
            let call = subject
                .call_returning_to(returned as u64)
                .expect("a call of this image");
            assert_eq!(walk.from, call.from().name());
        }
    }

    /// Each is taken once, whoever asks.
    #[test]
    fn a_walk_is_taken_once() {
        let subject = ImageUnderTest::current().expect("the test's own image");
        let act = CallScenario::new(Side::Rust, "sum");
        let first = subject.walks(&[act]);
        let again = subject.walks(&[act, act]);
        assert!(Rc::ptr_eq(&first[0].1, &again[1].1));
    }
}

mod callgrind {
    use std::collections::BTreeMap;
    use std::path::Path;

    use claims::baseline;
    use claims::measure::callgrind::{Error, FILE, InstructionCounts, Record, Slope, own, total};

    const OUTPUT: &str = "\
events: Ir\nob=/image\nfl=???\nfn=say\n0 20\ncob=/libc\ncfn=puts\ncalls=10 33 \n0 5566\n0 10\n\nob=/libc\nfn=say\n0 7\n\ntotals: 5603\n";

    /// A callee's instructions are not the caller's, nor is another image's function that has its name.
    #[test]
    fn own_instructions_are_told_from_a_callees() {
        let own = own(OUTPUT, Path::new("/image"));
        assert_eq!(
            own.into_iter().collect::<Vec<_>>(),
            [("say".to_owned(), 30)]
        );
    }

    #[test]
    fn the_total_is_of_all_files() {
        assert_eq!(total(OUTPUT), Some(5603));
        assert_eq!(total("events: Ir\n"), None);
    }

    /// A function that is not there, does nothing more in more calls, or not the same in each, has no count.
    #[test]
    fn what_has_no_exact_slope_is_not_counted() {
        let run = |cost: u64| BTreeMap::from([("say".to_owned(), cost)]);
        let slope = |short, long| Slope {
            short: run(short),
            long: run(long),
        };
        assert_eq!(slope(25, 225).of("say").ok(), Some(2));
        assert!(matches!(
            slope(25, 226).of("say"),
            Err(Error::Uneven { .. })
        ));
        assert!(matches!(slope(25, 25).of("say"), Err(Error::Uneven { .. })));
        assert!(matches!(slope(25, 225).of("sum"), Err(Error::Unseen(_))));
    }

    /// A record is read as it was written; one that is damaged, missing or of another version is named, with the command
    /// that makes it anew.
    #[test]
    fn a_record_is_read_as_it_was_written() {
        let count = |name: &str, clang| InstructionCounts {
            name: name.to_owned(),
            rust: 2,
            c: 13,
            clang,
        };
        let counts = vec![count("say", Some(3)), count("add_one", None)];
        let makers = vec!["rustc version 1.95.0".to_owned(), "GCC: 12".to_owned()];
        let record = Record::new(&FILE, makers, counts);
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("counts.json");
        let read = || Record::read_from(&file, FILE.schema, FILE.command);
        assert!(matches!(read(), Err(baseline::Error::Read { .. })));
        record.write_to(&file).expect("it is written");
        assert_eq!(read().expect("it is read"), record);
        let text = std::fs::read_to_string(&file).expect("it is there");
        for (from, to) in [
            ("\"rust\": 2", "\"rust\": \"two\""),
            ("\"schema\": 1", "\"schema\": 9"),
        ] {
            assert!(text.contains(from), "{text}");
            std::fs::write(&file, text.replacen(from, to, 1)).expect("planted");
            let error = read().expect_err("it cannot be used").to_string();
            assert!(
                error.contains("counts.json") && error.contains(FILE.command),
                "{error}"
            );
        }
    }
}

mod cross_thread {
    use claims::measure::cross_thread::{Spread, slope};

    #[test]
    fn the_median_has_its_spread() {
        let spread = Spread::of(vec![3.0, 9.0, 1.0]);
        let (median, least, greatest) = (3.0, 1.0, 9.0);
        assert_eq!(
            spread,
            Spread {
                median,
                least,
                greatest
            }
        );
        assert!((slope(1_000, 401_000) - 400.0).abs() < 1e-9);
    }
}
