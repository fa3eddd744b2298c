//! Pairs: the same work in Rust and in C, timed in turns.
//!
//! A machine is never equally fast for long. So no side is timed in one go: rounds of a fraction of a millisecond
//! follow each other, in each of which every side has its turn, and what is reported is the median of the rounds'
//! ratios. Whatever slows a round slows all of its sides.

use std::time::Instant;

/// Does its work that often, and returns what came of it.
pub type Work = Box<dyn Fn(u64) -> i64>;

/// One kind of work, done on several sides.
pub struct Pair {
    pub name: String,
    /// In Rust.
    pub rust: Work,
    /// In C, by this build's C compiler.
    pub c: Work,
    /// In C by clang, where there is one.
    pub clang: Option<Work>,
    /// In C that calls as Rust does, through the GOT.
    pub got: Option<Work>,
    /// What must come of it.
    pub expected: fn(u64) -> i64,
}

impl Pair {
    /// Every side there is; Rust first, then C.
    pub fn sides(&self) -> Vec<(&'static str, &Work)> {
        let mut sides = vec![("Rust", &self.rust), ("C", &self.c)];
        sides.extend(self.clang.as_ref().map(|work| ("C by clang", work)));
        sides.extend(self.got.as_ref().map(|work| ("C through the GOT", work)));
        sides
    }
}

/// How long one call took on each side, in nanoseconds, and the ratios of the rounds.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    pub rust: f64,
    pub c: f64,
    /// Rust to C.
    pub to_c: Spread,
    /// Rust to C by clang.
    pub to_clang: Option<Spread>,
    /// Rust to C that calls through the GOT.
    pub to_got: Option<Spread>,
}

/// The median, and the quartiles around it.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

const ROUNDS: usize = 401;
/// Of one side's turn in a round.
const TURN: u128 = 200_000;

/// Times a pair.
///
/// # Errors
/// When a side does not return what must come of its work: then it has not done it.
pub fn time(pair: &Pair) -> Result<Timing, String> {
    let sides = pair.sides();
    let turn = |side: usize, times: u64| -> Result<f64, String> {
        let (language, work) = sides[side];
        let start = Instant::now();
        let found = work(times);
        let took = start.elapsed().as_nanos();
        let expected = (pair.expected)(times);
        if found != expected {
            return Err(format!(
                "{}, {language}: {times} calls came to {found}, not {expected}",
                pair.name
            ));
        }
        Ok(took as f64 / times as f64)
    };
    // How many calls fill a turn; finding out is the warm-up.
    let mut times = 1;
    for side in 0..sides.len() {
        while turn(side, times)? * (times as f64) < TURN as f64 {
            times *= 2;
        }
    }
    let mut rounds = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let mut took = vec![0.0; sides.len()];
        // Each side as often first as last.
        let order: Vec<usize> = (0..sides.len())
            .map(|turn| (turn + round) % sides.len())
            .collect();
        for side in if round % 2 == 0 {
            order
        } else {
            order.into_iter().rev().collect()
        } {
            took[side] = turn(side, times)?;
        }
        rounds.push(took);
    }
    let ratio_to = |language: &str| {
        let side = sides.iter().position(|(name, _)| *name == language)?;
        Some(spread(rounds.iter().map(|took| took[0] / took[side])))
    };
    Ok(Timing {
        rust: spread(rounds.iter().map(|took| took[0])).median,
        c: spread(rounds.iter().map(|took| took[1])).median,
        to_c: spread(rounds.iter().map(|took| took[0] / took[1])),
        to_clang: ratio_to("C by clang"),
        to_got: ratio_to("C through the GOT"),
    })
}

fn spread(values: impl Iterator<Item = f64>) -> Spread {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |part: usize| values[values.len() * part / 4];
    Spread {
        median: at(2),
        low: at(1),
        high: at(3),
    }
}
