//! The text of a walk, from walks that are made up.

use barecall::walk::Walk;
use serde_json::{Value, json};

fn leg(steps: &[(&str, u64, u64)]) -> Value {
    let listed: Vec<_> = steps
        .iter()
        .map(|(symbol, instructions, stack_switches)| {
            json!({
                "symbol": symbol,
                "instructions": instructions,
                "stack_switches": stack_switches,
                "atomics": 0,
                "syscalls": 0,
            })
        })
        .collect();
    json!({
        "instructions": steps.iter().map(|step| step.1).sum::<u64>(),
        "stack_switches": steps.iter().map(|step| step.2).sum::<u64>(),
        "atomics": 0,
        "syscalls": 0,
        "steps": listed,
    })
}

/// A walk can be made outside of the crate by reading one only.
fn walk(out: &Value, back: &Value) -> Walk {
    serde_json::from_value(json!({
        "from": "say",
        "to": "puts",
        "warmup": 1,
        "repeats": { "walks": 100, "identical": 100 },
        "randomised": false,
        "call": "call puts@plt",
        "out": out,
        "callee": { "instructions": 152 },
        "back": back,
    }))
    .expect("a walk")
}

#[test]
fn the_text_reads_from_the_call_to_the_caller() {
    let walk = walk(&leg(&[("say", 1, 0), ("puts@plt", 1, 0)]), &leg(&[]));
    let expected = "\
walk    say -> puts (warm-up 1, 100 of 100 walks identical)

out     2 instructions, same stack
     1  say       call puts@plt
     1  puts@plt
        puts
callee  152 instructions
back    0 instructions, same stack
";
    assert_eq!(walk.to_string(), expected);
}

#[test]
fn a_stack_switch_is_marked_where_it_happens() {
    let walk = walk(
        &leg(&[("say", 1, 0), ("hop", 5, 1)]),
        &leg(&[("hop", 4, 1)]),
    );
    let text = walk.to_string();
    assert!(
        text.contains("out     6 instructions, 1 stack switch\n"),
        "{text}"
    );
    assert!(text.contains("     5  hop  switches stacks\n"), "{text}");
}

#[test]
fn a_long_leg_is_shown_by_its_ends() {
    let steps: Vec<_> = (0..1000).map(|_| ("f", 2, 0)).collect();
    let text = walk(&leg(&steps), &leg(&[])).to_string();
    assert!(text.contains("  1880  (940 more steps"), "{text}");
    assert!(text.lines().count() < 80);
}
