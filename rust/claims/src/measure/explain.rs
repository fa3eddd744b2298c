//! What an instruction does where it stands, in words: by a call's route, and by the mnemonic of the others.

use barecall::Route;

use crate::report::Call;

/// What an instruction does, in words; `None` where no rule fits, rather than a guess.
#[must_use]
pub fn instruction(text: &str, call: Option<&Call>) -> Option<String> {
    call.map_or_else(|| plain(text), |call| Some(of_call(call)))
}

fn of_call(call: &Call) -> String {
    let to = call.to.as_deref().unwrap_or("its target");
    let via = if call.via.is_empty() {
        "code in between".to_owned()
    } else {
        call.via.join(" and ")
    };
    by_route(call.route, call.tail, to, &via)
}

/// What a call by this route does; `via` names what lies in between.
fn by_route(route: Route, tail: bool, to: &str, via: &str) -> String {
    let verb = if tail { "jumps to" } else { "calls" };
    let does = match route {
        Route::Direct => format!("{verb} {to} itself: the one instruction"),
        Route::Got => {
            format!(
                "loads the pointer that the loader bound to {to} from the GOT and {verb} it: the one instruction"
            )
        }
        Route::Register => format!(
            "{verb} {to} through a register that was loaded from the GOT before: the one instruction"
        ),
        Route::Plt => format!("{verb} {via}, a stub of the linker's, which jumps on to {to}"),
        Route::Thunk => format!("{verb} {via}, which does nothing but pass control on to {to}"),
        Route::Pointer => {
            format!(
                "{verb} whatever address a pointer holds at that moment: the image does not say which"
            )
        }
        // Routes to come, too: what is not known is not explained away.
        _ => format!("{verb} {to}; on which way could not be decided"),
    };
    if tail {
        format!("{does}; it returns straight to this function's caller")
    } else {
        does
    }
}

/// By the mnemonic, for x86-64 in Intel syntax.
fn plain(text: &str) -> Option<String> {
    let (mnemonic, operands) = text.split_once(' ').unwrap_or((text, ""));
    let operands: Vec<&str> = operands.split(',').map(str::trim).collect();
    let (first, second) = (operands[0], operands.get(1).copied().unwrap_or_default());
    let image = second.contains("[rip");
    Some(match mnemonic {
        "lea" if image => format!("puts the address of something in the image into {first}"),
        "lea" => format!(
            "computes {} into {first}, without a look at memory",
            inner(second)
        ),
        "mov" | "movabs" | "movups" | "movaps" | "movsd" | "movss" | "movq" if image => {
            format!("loads a value of the image's data into {first}")
        }
        "mov" if second.contains('[') => format!("loads {first} from memory at {}", inner(second)),
        "mov" if first.contains('[') => format!("stores {second} in memory at {}", inner(first)),
        "mov" | "movabs" | "movaps" | "movapd" => format!("copies {second} to {first}"),
        "movzx" => format!("copies {second} to {first}, filled up with zeros"),
        "movsx" | "movsxd" => format!("copies {second} to {first}, filled up with its sign"),
        "push" => format!("pushes {first}: to save it, or only to align the stack for a call"),
        "pop" => format!("pops {first}: what the push before it saved"),
        "sub" if first == "rsp" => "makes room on the stack".to_owned(),
        "add" if first == "rsp" => "gives the room on the stack back".to_owned(),
        "add" => format!("adds {second} to {first}"),
        "sub" => format!("subtracts {second} from {first}"),
        "inc" => format!("adds one to {first}"),
        "dec" => format!("subtracts one from {first}; the flags say whether none is left"),
        "neg" => format!("negates {first}"),
        "xor" | "xorps" | "xorpd" | "pxor" if first == second => format!("sets {first} to zero"),
        "and" => format!("keeps the bits of {first} that {second} has"),
        "or" => format!("sets the bits of {first} that {second} has"),
        "test" if first == second => {
            format!("looks whether {first} is zero, for the branch that follows")
        }
        "test" => format!(
            "looks whether {first} and {second} have bits in common, for the branch that follows"
        ),
        "cmp" => format!("compares {first} with {second}, for the branch that follows"),
        "jmp" => "goes on elsewhere in this function".to_owned(),
        "je" | "jne" | "jz" | "jnz" | "ja" | "jae" | "jb" | "jbe" | "jg" | "jge" | "jl" | "jle"
        | "js" | "jns" | "jo" | "jno" => {
            "branches within this function, if the comparison says so".to_owned()
        }
        "ret" => "returns to the caller".to_owned(),
        "endbr64" => "marks a place that indirect calls may reach".to_owned(),
        "ud2" => "stops the program: this place cannot be reached".to_owned(),
        "nop" | "int3" => "does nothing: it fills up to the next aligned address".to_owned(),
        _ => return None,
    })
}

/// What is in the brackets: `qword ptr [rbx + 0x8]` is `rbx + 0x8`.
fn inner(operand: &str) -> &str {
    operand
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'))
        .map_or(operand, |(inner, _)| inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_routes_are_called_the_one_instruction() {
        for route in Route::ALL {
            for tail in [false, true] {
                let words = by_route(route, tail, "puts", "puts@plt");
                assert_eq!(
                    words.contains("the one instruction"),
                    route.is_bare(),
                    "{words}"
                );
                assert_eq!(words.contains("jumps to"), tail, "{words}");
                assert_eq!(words.contains("returns straight"), tail, "{words}");
            }
        }
        assert!(by_route(Route::Plt, false, "puts", "puts@plt").contains("puts@plt"));
    }

    #[test]
    fn what_no_rule_fits_is_not_explained() {
        assert_eq!(plain("vpternlogd zmm0, zmm0, zmm0, 0xff"), None);
        assert_eq!(
            plain("mov rdi, qword ptr [rbx + 0x8]").as_deref(),
            Some("loads rdi from memory at rbx + 0x8")
        );
        assert_eq!(plain("xor eax, eax").as_deref(), Some("sets eax to zero"));
        assert_eq!(
            plain("lea rdi, [rip - 0x1f9aea]").as_deref(),
            Some("puts the address of something in the image into rdi")
        );
    }
}
