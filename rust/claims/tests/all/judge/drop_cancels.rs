//! `drop-cancels`

use claims::claims::drop_cancels::{Point, TIMES, balance, control};
use claims::measure::callback_audit::InjectedFault;

#[test]
fn everything_balances_at_every_point() {
    for point in Point::ALL {
        let balance = balance(None, &[point], TIMES).expect("C starts it");
        assert_eq!(balance.faults, Vec::<String>::new(), "{point:?}");
        let counts = [balance.submissions, balance.callbacks, balance.releases];
        assert_eq!(counts, [TIMES as u64; 3], "{point:?}");
        assert_eq!(balance.allocations, balance.frees, "{point:?}");
    }
}

#[test]
fn every_planted_fault_is_seen() {
    for fault in InjectedFault::ALL {
        control(fault).unwrap_or_else(|why| panic!("{why}"));
    }
}

/// A fault that is not planted is not seen, or seeing one would say nothing.
#[test]
fn without_a_fault_none_is_seen() {
    let balance = balance(None, &[Point::Unpolled], 1).expect("C starts it");
    for fault in InjectedFault::ALL {
        assert!(
            !balance
                .faults
                .iter()
                .any(|found| found.contains(fault.as_str()))
        );
    }
}
