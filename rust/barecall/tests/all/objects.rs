//! Relocatable objects, archives and rlibs: each route that a relocation decides, and its control.

use std::path::{Path, PathBuf};
use std::process::Command;

use barecall::{Architecture, Error, Image, Route};

/// A folder of this test's own.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("objects")
        .join(test);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; is it installed?"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Assembles a source for this machine; the linker driver that Rust needs anyway does it.
fn assemble(folder: &Path, name: &str, source: &str) -> PathBuf {
    let (from, to) = (
        folder.join(format!("{name}.s")),
        folder.join(format!("{name}.o")),
    );
    std::fs::write(&from, source).unwrap();
    run(Command::new("cc").arg("-c").arg(&from).arg("-o").arg(&to));
    to
}

/// The one call of a function: its route, target and text.
fn only(image: &Image, function: &str) -> (Route, Option<String>, String) {
    let calls = image.function(function).unwrap().calls();
    assert_eq!(calls.len(), 1, "{function}: {calls:?}");
    (calls[0].route(), calls[0].to(), calls[0].text())
}

const X86: &str = r#"
    .text
    .macro function name
    .globl \name
    .type \name, @function
    \name:
    .endm
    .macro end name
    .size \name, . - \name
    .endm

    function local
        xor %eax, %eax
        ret
    end local
    function undefined_plt
        call puts@PLT
        ret
    end undefined_plt
    function undefined_plain
        call puts
        ret
    end undefined_plain
    function defined_plt
        call local@PLT
        ret
    end defined_plt
    function got
        call *puts@GOTPCREL(%rip)
        ret
    end got
    function got_defined
        call *local@GOTPCREL(%rip)
        ret
    end got_defined
    function register
        push %rbx
        mov puts@GOTPCREL(%rip), %rbx
        xor %edi, %edi
        call *%rbx
        pop %rbx
        ret
    end register
    function tail
        add $1, %edi
        jmp *puts@GOTPCREL(%rip)
    end tail
    function tail_undefined
        add $1, %edi
        jmp puts@PLT
    end tail_undefined
    function by_address
        xor %edi, %edi
        lea puts(%rip), %rax
        call *%rax
        ret
    end by_address
    function by_defined_address
        xor %edi, %edi
        lea local(%rip), %rax
        call *%rax
        ret
    end by_defined_address
    function absolute
        xor %edi, %edi
        mov $local, %eax
        call *%rax
        ret
    end absolute
    function through_constant
        call *constant(%rip)
        ret
    end through_constant
    function through_variable
        call *variable(%rip)
        ret
    end through_variable
    function versioned
        call *old_puts@GOTPCREL(%rip)
        ret
    end versioned
    .symver old_puts, puts@GLIBC_2.2.5
    function thread_local
        .byte 0x66
        lea here@tlsgd(%rip), %rdi
        .value 0x6666
        rex64
        call __tls_get_addr@PLT
        ret
    end thread_local
    function odd
        lea here@gottpoff(%rip), %rax
        call *%rax
        ret
    end odd
    function to_ifunc
        call chosen
        ret
    end to_ifunc
    .type chosen, @gnu_indirect_function
    .globl chosen
    chosen:
        lea local(%rip), %rax
        ret
    .size chosen, . - chosen
    .type alias, @function
    .globl alias
    .set alias, local
    function to_alias
        call alias
        ret
    end to_alias

    .section .data.rel.ro, "aw"
    constant: .quad puts
    .data
    variable: .quad puts
    .section .tbss, "awT", @nobits
    here: .zero 4
    .section .note.GNU-stack, "", @progbits
"#;

#[cfg(target_arch = "x86_64")]
#[test]
fn x86_every_relocation_that_a_call_goes_by() {
    let image = Image::open(assemble(&folder("x86"), "routes", X86)).unwrap();
    let (puts, local) = (Some("puts"), Some("local"));
    let expected = [
        ("undefined_plt", Route::Unresolved, puts),
        ("undefined_plain", Route::Unresolved, puts),
        ("defined_plt", Route::Direct, local),
        ("got", Route::Got, puts),
        ("got_defined", Route::Got, local),
        ("register", Route::Register, puts),
        ("tail", Route::Got, puts),
        ("tail_undefined", Route::Unresolved, puts),
        ("by_address", Route::Unresolved, puts),
        ("by_defined_address", Route::Register, local),
        ("absolute", Route::Register, local),
        ("through_constant", Route::Got, puts),
        ("through_variable", Route::Pointer, None),
        ("versioned", Route::Got, puts),
        ("thread_local", Route::Unresolved, Some("__tls_get_addr")),
        ("to_ifunc", Route::Unresolved, Some("chosen")),
    ];
    for (function, route, to) in expected {
        let (found, reached, text) = only(&image, function);
        // One address, several names: any of them will do.
        let call = &image.function(function).unwrap().calls()[0];
        assert_eq!(found, route, "{function}: {text} to {reached:?}");
        match to {
            Some(to) => assert!(call.reaches(to), "{function}: {text} to {reached:?}"),
            None => assert_eq!(reached, None, "{function}: {text}"),
        }
        let instructions = route.is_bare().then_some(1);
        assert_eq!(call.instructions(), instructions, "{function}: {text}");
        assert_eq!(call.tail(), function.starts_with("tail"), "{function}");
    }
    let call = &image.function("to_alias").unwrap().calls()[0];
    assert_eq!(call.route(), Route::Direct);
    assert!(call.reaches("local") && call.reaches("alias"), "{call:?}");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn an_operand_that_a_relocation_leaves_open_is_never_bare() {
    use object::{Object as _, ObjectSection as _};

    let folder = folder("odd");
    let image = Image::open(assemble(&folder, "routes", X86)).unwrap();
    let (route, to, text) = only(&image, "odd");
    assert!(!route.is_bare(), "{route} {to:?} {text}");

    // Every kind there is or may once be, on operands that would otherwise be bare.
    let operands = ["call g@PLT", "lea g(%rip), %rax\n call *%rax"];
    for (n, operand) in operands.into_iter().enumerate() {
        let object = assemble(
            &folder,
            &format!("kinds{n}"),
            &format!(
                ".globl h, g\n .type h,@function\n .type g,@function\n h: {operand}\n ret\n g: xor %eax,%eax\n ret\n"
            ),
        );
        let bytes = std::fs::read(object).unwrap();
        let at = {
            let file = object::File::parse(&*bytes).unwrap();
            let table = file.section_by_name(".rela.text").unwrap();
            // The kind is the low half of the entry's second word.
            usize::try_from(table.file_range().unwrap().0).unwrap() + 8
        };
        let (direct, ..) = only(&Image::read("kinds.o", bytes.clone()).unwrap(), "h");
        assert!(direct.is_bare(), "{operand}: {direct}");
        for kind in (0u32..64).chain([255, 1 << 20]) {
            // NONE, 64, PC32, PLT32, 32, 32S, PC8, PC64, TLSDESC_CALL: the operand is what they say, be it right.
            if [0, 1, 2, 4, 10, 11, 15, 24, 35].contains(&kind) {
                continue;
            }
            let mut odd = bytes.clone();
            odd[at..at + 4].copy_from_slice(&kind.to_le_bytes());
            let Ok(image) = Image::read("kinds.o", odd) else {
                continue;
            };
            for call in image.functions().flat_map(|function| function.calls()) {
                assert!(
                    !call.route().is_bare(),
                    "{operand}, kind {kind}: {call:?} {}",
                    call.text()
                );
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn an_archive_resolves_its_own_symbols_and_names_the_member() {
    let folder = folder("archive");
    let caller = ".globl caller\n.type caller,@function\ncaller: call callee@PLT\n call puts@PLT\n ret\n.size caller,.-caller\n";
    let callee = ".globl callee\n.type callee,@function\ncallee: ret\n.size callee,.-callee\n";
    let long = "a_member_whose_name_is_longer_than_sixteen_bytes";
    let caller = assemble(&folder, long, caller);
    let callee = assemble(&folder, "callee", callee);
    let alone = Image::open(&caller).unwrap();
    let routes = |image: &Image| -> Vec<(Route, Option<String>)> {
        image
            .function("caller")
            .unwrap()
            .calls()
            .iter()
            .map(|call| (call.route(), call.to()))
            .collect()
    };
    let named = |route, name: &str| (route, Some(name.to_owned()));
    assert_eq!(
        routes(&alone),
        [
            named(Route::Unresolved, "callee"),
            named(Route::Unresolved, "puts")
        ]
    );
    assert_eq!(alone.function("caller").unwrap().member(), None);

    let archive = folder.join("libboth.a");
    let _ = std::fs::remove_file(&archive);
    let note = folder.join("NOTE");
    std::fs::write(&note, "no object").unwrap();
    let empty = folder.join("EMPTY");
    std::fs::write(&empty, "").unwrap();
    run(Command::new("ar")
        .arg("rc")
        .arg(&archive)
        .args([&note, &caller, &empty, &callee]));
    let both = Image::open(&archive).unwrap();
    assert_eq!(
        routes(&both),
        [
            named(Route::Direct, "callee"),
            named(Route::Unresolved, "puts")
        ]
    );
    let member = both.function("caller").unwrap().member();
    assert_eq!(member, Some(format!("{long}.o").as_str()));
    let member = both.function("callee").unwrap().member();
    assert_eq!(member, Some("callee.o"));

    let none = folder.join("libnone.a");
    let _ = std::fs::remove_file(&none);
    run(Command::new("ar").arg("rc").arg(&none).arg(&note));
    let error = Image::open(&none).unwrap_err();
    assert!(
        matches!(&error, Error::Unsupported { detail, .. } if detail.contains("NOTE")),
        "{error}"
    );

    let thin = folder.join("libthin.a");
    let _ = std::fs::remove_file(&thin);
    run(Command::new("ar").arg("rcT").arg(&thin).arg(&caller));
    let error = Image::open(&thin).unwrap_err().to_string();
    assert!(error.contains("thin archive"), "{error}");
}

/// The facts of an object are those of the executable that is linked from it, except where the linker decides.
#[cfg(target_arch = "x86_64")]
#[test]
fn an_rlib_agrees_with_what_is_linked_from_it() {
    let folder = folder("rlib");
    let source = r#"
        use std::ffi::{c_char, c_int};
        unsafe extern "C" { fn puts(text: *const c_char) -> c_int; fn abs(n: c_int) -> c_int; }
        #[inline(never)] #[unsafe(no_mangle)] pub extern "C" fn once() -> c_int { unsafe { puts(c"once".as_ptr()) + 1 } }
        #[inline(never)] #[unsafe(no_mangle)] pub extern "C" fn twice() -> c_int {
            let mut all = 0;
            for n in 0..3 { all += unsafe { puts(c"twice".as_ptr()) + abs(n) }; }
            all
        }
        #[inline(never)] #[unsafe(no_mangle)] pub extern "C" fn inner(n: c_int) -> c_int { once() + twice() + n }
        #[unsafe(no_mangle)] pub fn greet(dynamic: &mut dyn FnMut(c_int)) { println!("{}", inner(3)); dynamic(1); }
    "#;
    std::fs::write(folder.join("ffi.rs"), source).unwrap();
    let program = "fn main() { ffi::greet(&mut |n| println!(\"{n}\")); }";
    std::fs::write(folder.join("program.rs"), program).unwrap();
    let rustc = || {
        let mut command = Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into()));
        command.current_dir(&folder);
        command.args(["--edition", "2024", "-Copt-level=2", "-Ccodegen-units=1"]);
        command
    };
    run(rustc().args(["--crate-type", "rlib", "ffi.rs"]));
    run(rustc().args(["--extern", "ffi=libffi.rlib", "program.rs"]));
    let rlib = Image::open(folder.join("libffi.rlib")).unwrap();
    let program = Image::open(folder.join("program")).unwrap();
    for function in ["once", "twice", "inner", "greet"] {
        let facts = |image: &Image| -> Vec<(Route, bool, Option<String>)> {
            image
                .function(function)
                .unwrap()
                .calls()
                .iter()
                .map(|call| (call.route(), call.tail(), call.to()))
                .collect()
        };
        let (early, late) = (facts(&rlib), facts(&program));
        assert!(!early.is_empty(), "{function}");
        assert_eq!(early.len(), late.len(), "{function}: {early:?} {late:?}");
        for (early, late) in early.iter().zip(&late) {
            assert_eq!((early.1, &early.2), (late.1, &late.2), "{function}");
            if early.0 != Route::Unresolved {
                let bare = (early.0.is_bare(), late.0.is_bare());
                assert_eq!(bare.0, bare.1, "{function}: {early:?} {late:?}");
            }
        }
    }
    let twice = rlib.function("twice").unwrap();
    let calls = twice.calls();
    assert!(
        calls.iter().all(|call| call.route() == Route::Register),
        "{calls:?}"
    );
    let member = twice.member();
    assert!(
        member.is_some_and(|member| member.ends_with(".o")),
        "{member:?}"
    );
}

/// A call or jump with a relocation, as objdump shows it: member, function, distance from its beginning.
type Place = (String, String, u64);

/// What `objdump -dr` says of every call and jump that has a relocation: its kind and its symbol.
fn by_objdump(file: &Path) -> Vec<(Place, String, String)> {
    let output = Command::new("objdump")
        .args(["-dr", "--no-show-raw-insn", "-w"])
        .arg(file)
        .output()
        .expect("objdump comes with the linker");
    let text = String::from_utf8_lossy(&output.stdout);
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    let (mut member, mut function, mut begins) = (String::new(), String::new(), 0);
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some((name, _)) = line.split_once(":     file format") {
            name.clone_into(&mut member);
        } else if let Some((address, name)) = line.split_once(" <")
            && let (Some(address), Some(name)) = (number(address), name.strip_suffix(">:"))
        {
            (function, begins) = (name.to_owned(), address);
        } else if let Some((at, rest)) = line.split_once(":\t")
            && let Some(at) = number(at.trim())
            && let Some((instruction, relocation)) = rest.split_once("R_X86_64_")
            && let Some((kind, symbol)) = relocation.split_once('\t')
        {
            // "call *0x0(%rip)  # … \t5: R_X86_64_GOTPCREL\tputs-0x4"
            let word = instruction
                .split_whitespace()
                .find(|&word| word != "notrack");
            let jump = word.is_some_and(|word| word.starts_with('j'));
            if jump || word.is_some_and(|word| word.starts_with("call")) {
                let symbol = symbol.split(['-', '+']).next().unwrap_or(symbol);
                let place = (member.clone(), function.clone(), at - begins);
                found.push((place, kind.to_owned(), symbol.trim().to_owned()));
            }
        }
    }
    found
}

/// An independent reading of the toolchain's own standard library: every call that objdump shows with a
/// relocation is found, with that symbol as its target.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[test]
fn every_call_of_the_standard_library_is_where_objdump_shows_it() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "target-libdir"])
        .output()
        .unwrap();
    let folder = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    let library = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("libstd-") && name.ends_with(".rlib")
        })
        .expect("the toolchain has a standard library");
    let image = Image::open(&library).unwrap();
    let calls: Vec<_> = image.calls(|_, _| {}).into_iter().collect();
    let ours: std::collections::HashMap<Place, barecall::Call<'_>> = calls
        .iter()
        .filter_map(|call| {
            let from = call.from();
            let place = (
                from.member()?.to_owned(),
                from.mangled()?.to_owned(),
                call.at() - from.address(),
            );
            Some((place, call.clone()))
        })
        .collect();
    let theirs = by_objdump(&library);
    assert!(
        theirs.len() > 1000,
        "objdump shows {} calls of {}",
        theirs.len(),
        library.display()
    );
    let mut different = Vec::new();
    for (place, kind, symbol) in &theirs {
        // Merged functions have several names, of which objdump shows one and a call another.
        let call = ours.get(place).or_else(|| {
            let at = image.function(&place.1).ok()?.address() + place.2;
            let call = calls.binary_search_by_key(&at, barecall::Call::at).ok()?;
            Some(&calls[call])
        });
        let agrees = call.is_some_and(|call| {
            // What a section is named is no function.
            let to = call.to_mangled();
            let same =
                symbol.starts_with('.') || to.contains(&symbol.as_str()) || !call.via().is_empty();
            let route = match (kind.as_str(), call.route()) {
                (_, Route::Thunk) => true,
                ("GOTPCREL" | "GOTPCRELX" | "REX_GOTPCRELX", route) => route == Route::Got,
                (_, route) => matches!(route, Route::Direct | Route::Unresolved),
            };
            same && route
        });
        if !agrees {
            different.push(format!("{place:?} {kind} {symbol}: {call:?}"));
        }
    }
    eprintln!(
        "{} calls with relocations, {} found otherwise",
        theirs.len(),
        different.len()
    );
    assert!(
        different.is_empty(),
        "{} of {} differ:\n{}",
        different.len(),
        theirs.len(),
        different[..different.len().min(20)].join("\n")
    );
}

const AARCH64: &str = r#"
    .text
    .macro function name
    .globl \name
    .type \name, %function
    \name:
    .endm
    .macro enter
        stp x29, x30, [sp, #-16]!
    .endm
    .macro end name
        ldp x29, x30, [sp], #16
        ret
    .size \name, . - \name
    .endm
    function local
        mov w0, #0
        ret
    .size local, . - local
    function undefined
        enter
        bl puts
    end undefined
    function defined
        enter
        bl local
    end defined
    function tail
        add w0, w0, #1
        b puts
    .size tail, . - tail
    function register
        enter
        adrp x8, :got:puts
        ldr x8, [x8, :got_lo12:puts]
        blr x8
    end register
    function by_defined_address
        enter
        adrp x8, local
        add x8, x8, :lo12:local
        blr x8
    end by_defined_address
    function through_constant
        enter
        adrp x8, constant
        ldr x8, [x8, :lo12:constant]
        blr x8
    end through_constant
    function thread_local
        enter
        adrp x0, :tlsdesc:here
        ldr x1, [x0, :tlsdesc_lo12:here]
        add x0, x0, :tlsdesc_lo12:here
        .tlsdesccall here
        blr x1
    end thread_local
    .section .data.rel.ro, "aw"
    .p2align 3
    constant: .xword puts
    .section .tbss, "awT", %nobits
    here: .zero 4
"#;

/// Assembles a source for AArch64, where something here can: none, and said aloud, where not.
fn assemble_aarch64(folder: &Path, name: &str, source: &str) -> Option<PathBuf> {
    let (from, to) = (
        folder.join(format!("{name}.s")),
        folder.join(format!("{name}.o")),
    );
    std::fs::write(&from, source).unwrap();
    let compilers: [&[&str]; 4] = [
        &["clang", "--target=aarch64-linux-gnu", "-c"],
        &["clang-14", "--target=aarch64-linux-gnu", "-c"],
        &["aarch64-linux-gnu-gcc", "-c"],
        &["aarch64-linux-gnu-as"],
    ];
    let built = compilers.iter().any(|compiler| {
        Command::new(compiler[0])
            .args(&compiler[1..])
            .arg(&from)
            .arg("-o")
            .arg(&to)
            .output()
            .is_ok_and(|output| output.status.success())
    });
    if built {
        return Some(to);
    }
    testkit::missing(
        "aarch64",
        "no assembler for it: install clang, or binutils-aarch64-linux-gnu",
    );
    None
}

#[test]
fn an_aarch64_operand_that_a_relocation_leaves_open_is_never_bare() {
    use object::{Object as _, ObjectSection as _};

    let operands = [
        ("bl g", 1),
        ("adrp x8, g\n add x8, x8, :lo12:g\n blr x8", 2),
        ("adrp x8, :got:g\n ldr x8, [x8, :got_lo12:g]\n blr x8", 2),
    ];
    for (n, (operand, relocations)) in operands.into_iter().enumerate() {
        // Something in between, so that h is no thunk.
        let source = format!(
            ".globl h, g\n .type h,%function\n .type g,%function\n h: stp x29, x30, [sp, #-16]!\n mul x0, x0, x0\n {operand}\n \
             ldp x29, x30, [sp], #16\n ret\n .size h, .-h\n g: mov w0, #0\n ret\n .size g, .-g\n"
        );
        let Some(object) = assemble_aarch64(&folder("aarch64-odd"), &format!("kinds{n}"), &source)
        else {
            return;
        };
        let bytes = std::fs::read(object).unwrap();
        let table = {
            let file = object::File::parse(&*bytes).unwrap();
            let table = file.section_by_name(".rela.text").unwrap();
            usize::try_from(table.file_range().unwrap().0).unwrap()
        };
        let (bare, ..) = only(&Image::read("kinds.o", bytes.clone()).unwrap(), "h");
        assert!(bare.is_bare(), "{operand}: {bare}");
        for (entry, kind) in
            (0..relocations).flat_map(|entry| (0u32..1200).map(move |kind| (entry, kind)))
        {
            // NONE and those that are applied: the operand is what they say, be it right. Those of thread-local
            // storage add to what is no code address; in the middle of a pair they mean nothing.
            if [0, 256, 569].contains(&kind)
                || matches!(kind, 257 | 258 | 260 | 261 | 263..=269 | 273..=280 | 282..=286 | 299 | 309 | 311..=314)
                || (entry > 0 && (512..=573).contains(&kind))
            {
                continue;
            }
            let mut odd = bytes.clone();
            let at = table + 24 * entry + 8;
            odd[at..at + 4].copy_from_slice(&kind.to_le_bytes());
            let Ok(image) = Image::read("kinds.o", odd) else {
                continue;
            };
            for call in image.functions().flat_map(|function| function.calls()) {
                assert!(
                    !call.route().is_bare(),
                    "{operand}, relocation {entry}, kind {kind}: {call:?} {}",
                    call.text()
                );
            }
        }
    }
}

#[test]
fn aarch64_is_linked_too_where_an_assembler_for_it_is_installed() {
    let Some(to) = assemble_aarch64(&folder("aarch64"), "routes", AARCH64) else {
        return;
    };
    let image = Image::open(&to).unwrap();
    assert_eq!(image.architecture(), Architecture::Aarch64);
    let expected = [
        ("undefined", Route::Unresolved, Some("puts")),
        ("defined", Route::Direct, Some("local")),
        ("tail", Route::Unresolved, Some("puts")),
        ("register", Route::Register, Some("puts")),
        ("by_defined_address", Route::Register, Some("local")),
        ("through_constant", Route::Register, Some("puts")),
        ("thread_local", Route::Pointer, None),
    ];
    for (function, route, to) in expected {
        let (found, reached, text) = only(&image, function);
        assert_eq!(
            (found, reached.as_deref()),
            (route, to),
            "{function}: {text}"
        );
    }
}

#[test]
fn data_between_the_code_of_an_aarch64_object_is_no_call() {
    // `bl` to itself, twice: as data, and as the control, as instructions.
    let source = |words: &str| {
        format!(
            ".globl f\n.type f, %function\nf: ldr x0, 1f\n ret\n .balign 8\n1: {words}\n.size f, . - f\n"
        )
    };
    let folder = folder("literals");
    for (name, words, expected) in [
        ("data", ".quad 0x9400000094000000", 0),
        ("code", ".inst 0x94000000, 0x94000000", 2),
    ] {
        let Some(object) = assemble_aarch64(&folder, name, &source(words)) else {
            return;
        };
        let image = Image::open(object).unwrap();
        let calls = image.function("f").unwrap().calls();
        assert_eq!(calls.len(), expected, "{name}: {calls:?}");
    }
}

#[test]
fn formats_that_are_not_read_are_named() {
    // A universal file, ARM64EC, ARMv7 on Apple's, a dyld of it, and others.
    let cases: [(&[u8], &str); 7] = [
        (
            b"\xca\xfe\xba\xbe\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00",
            "a universal Mach-O file; take out the part for one architecture with `lipo -thin arm64",
        ),
        (
            b"\xcf\xfa\xed\xfe\x12\x00\x00\x01\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
            "Mach-O for processor 0x1000012; x86-64 and AArch64 are",
        ),
        (
            b"\xcf\xfa\xed\xfe\x07\x00\x00\x01\x00\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
            "Mach-O of type 0x7; executables, dynamic libraries, bundles and objects are",
        ),
        (
            b"\xce\xfa\xed\xfe\x07\x00\x00\x00\x03\x00\x00\x00\x02\x00\x00\x00",
            "a 32-bit Mach-O file; executables, libraries, objects and archives",
        ),
        (
            b"BC\xc0\xde\x35\x14\x00\x00\x05\x00\x00\x00\x62\x0c\x30\x24",
            "LLVM bitcode; executables",
        ),
        (
            b"\x41\xa6\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
            "ARM64EC and ARM64X; x86-64 and AArch64 are",
        ),
        (
            b"\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00",
            "32-bit ELF; 64-bit x86-64 and AArch64 are",
        ),
    ];
    for (bytes, says) in cases {
        let error = Image::read("it", bytes.to_vec()).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        let text = error.to_string();
        assert!(text.starts_with("it: ") && text.contains(says), "{text}");
    }
}
