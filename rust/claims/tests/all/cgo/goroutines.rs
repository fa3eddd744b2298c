//! Goroutines asleep, counted by `cgo/tasks`.

use claims::go::goroutines::{self, Error, Goroutines};

/// Bytes of stack a goroutine.
fn stack(taken: &Goroutines) -> u64 {
    taken.stack_bytes / taken.count
}

#[test]
fn what_is_on_file_is_whole() {
    let on_file = goroutines::on_file().expect("it is on file");
    for taken in &on_file.facts {
        assert_eq!(taken.asleep, taken.count);
        // A span of Go's heap has room for 16 stacks, and some may be there already.
        assert!((2000..2200).contains(&stack(taken)), "{taken:?}");
    }
}

/// With Go here, it is still so.
#[test]
fn it_is_so_with_this_go() {
    let taken = match goroutines::live(&[1000]) {
        Ok(taken) => taken,
        Err(Error::NoGo(why)) => return testkit::missing("go", &why.to_string()),
        Err(error) => panic!("{error}"),
    };
    for taken in &taken {
        assert_eq!(taken.asleep, taken.count);
        assert!((2000..8192).contains(&stack(taken)), "{taken:?}");
    }
}
