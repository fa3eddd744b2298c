//! A walk as text that can be read aloud, step by step.

use std::fmt::Write as _;

use super::{Leg, Step, Walk};

/// Longer legs are shown by their beginning and end.
const LONGEST: usize = 60;

pub(super) fn text(walk: &Walk) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_walk(&mut text, walk);
    text
}

fn write_walk(text: &mut String, walk: &Walk) -> std::fmt::Result {
    writeln!(
        text,
        "walk    {} -> {} ({})",
        walk.from,
        walk.to,
        circumstances(walk)
    )?;
    writeln!(text)?;
    writeln!(text, "out     {}", summary(&walk.out))?;
    write_steps(text, &walk.out, Some(&walk.call))?;
    writeln!(text, "        {}", walk.to)?;
    writeln!(
        text,
        "callee  {}",
        count(walk.callee.instructions, "instruction")
    )?;
    writeln!(text, "back    {}", summary(&walk.back))?;
    write_steps(text, &walk.back, None)
}

fn circumstances(walk: &Walk) -> String {
    let mut circumstances = format!("warm-up {}", walk.warmup);
    if walk.repeats.walks > 1 {
        let _ = write!(
            circumstances,
            ", {} of {} walks identical",
            walk.repeats.identical, walk.repeats.walks
        );
    }
    if walk.randomised {
        circumstances.push_str(", addresses randomised");
    }
    circumstances
}

fn summary(leg: &Leg) -> String {
    let mut summary = count(leg.instructions, "instruction");
    match leg.stack_switches {
        0 => summary.push_str(", same stack"),
        n => summary = format!("{summary}, {}", switches(n)),
    }
    if leg.atomics > 0 {
        summary = format!("{summary}, {}", count(leg.atomics, "atomic"));
    }
    if leg.syscalls > 0 {
        summary = format!("{summary}, {}", count(leg.syscalls, "system call"));
    }
    summary
}

fn write_steps(text: &mut String, leg: &Leg, call: Option<&str>) -> std::fmt::Result {
    let left_out = if leg.steps.len() > LONGEST {
        leg.steps.len() - LONGEST
    } else {
        0
    };
    let left_out = (LONGEST / 2)..(LONGEST / 2 + left_out);
    // A demangled name may be very long: the notes beside it need not be aligned.
    let width = leg
        .steps
        .iter()
        .map(|step| step.symbol.len())
        .max()
        .unwrap_or(0)
        .min(40);
    for (index, step) in leg.steps.iter().enumerate() {
        if left_out.contains(&index) {
            if index == left_out.start {
                let instructions: u64 = leg.steps[left_out.clone()]
                    .iter()
                    .map(|step| step.instructions)
                    .sum();
                writeln!(
                    text,
                    "{instructions:6}  ({} more steps: --format json lists them)",
                    left_out.len()
                )?;
            }
            continue;
        }
        let mut notes = notes(step);
        if let Some(call) = call.filter(|_| index == 0) {
            notes.insert(0, call.to_owned());
        }
        let line = format!(
            "{:6}  {:width$}  {}",
            step.instructions,
            step.symbol,
            notes.join(", ")
        );
        writeln!(text, "{}", line.trim_end())?;
    }
    Ok(())
}

fn notes(step: &Step) -> Vec<String> {
    let mut notes = Vec::new();
    match step.stack_switches {
        0 => {}
        1 => notes.push("switches stacks".to_owned()),
        n => notes.push(format!("switches stacks {n} times")),
    }
    if step.atomics > 0 {
        notes.push(count(step.atomics, "atomic"));
    }
    if step.syscalls > 0 {
        notes.push(count(step.syscalls, "system call"));
    }
    notes
}

fn switches(n: u64) -> String {
    if n == 1 {
        "1 stack switch".into()
    } else {
        format!("{n} stack switches")
    }
}

fn count(n: u64, what: &str) -> String {
    if n == 1 {
        format!("1 {what}")
    } else {
        format!("{n} {what}s")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Callee, Repeats};
    use super::*;

    fn leg(steps: &[(&str, u64, u64)]) -> Leg {
        let steps: Vec<_> = steps
            .iter()
            .map(|(symbol, instructions, stack_switches)| Step {
                symbol: (*symbol).into(),
                instructions: *instructions,
                stack_switches: *stack_switches,
                atomics: 0,
                syscalls: 0,
            })
            .collect();
        Leg {
            instructions: steps.iter().map(|s| s.instructions).sum(),
            stack_switches: steps.iter().map(|s| s.stack_switches).sum(),
            steps,
            ..Leg::default()
        }
    }

    fn walk(out: Leg, back: Leg) -> Walk {
        Walk {
            from: "say".into(),
            to: "puts".into(),
            warmup: 1,
            repeats: Repeats {
                walks: 100,
                identical: 100,
            },
            randomised: false,
            call: "call puts@plt".into(),
            out,
            callee: Callee { instructions: 152 },
            back,
        }
    }

    #[test]
    fn a_ladder_reads_from_the_call_to_the_caller() {
        let walk = walk(leg(&[("say", 1, 0), ("puts@plt", 1, 0)]), leg(&[]));
        let expected = "\
walk    say -> puts (warm-up 1, 100 of 100 walks identical)

out     2 instructions, same stack
     1  say       call puts@plt
     1  puts@plt
        puts
callee  152 instructions
back    0 instructions, same stack
";
        assert_eq!(text(&walk), expected);
    }

    #[test]
    fn a_stack_switch_is_marked_where_it_happens() {
        let walk = walk(leg(&[("say", 1, 0), ("hop", 5, 1)]), leg(&[("hop", 4, 1)]));
        let text = text(&walk);
        assert!(
            text.contains("out     6 instructions, 1 stack switch\n"),
            "{text}"
        );
        assert!(text.contains("     5  hop  switches stacks\n"), "{text}");
    }

    #[test]
    fn a_long_ladder_is_shown_by_its_ends() {
        let steps: Vec<_> = (0..1000).map(|_| ("f", 2, 0)).collect();
        let text = text(&walk(leg(&steps), leg(&[])));
        assert!(text.contains("  1880  (940 more steps"), "{text}");
        assert!(text.lines().count() < 80);
    }
}
