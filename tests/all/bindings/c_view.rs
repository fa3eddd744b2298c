//! What Rust declares, asked of C: each declaration becomes a static assertion,
//! which the C compiler decides, for its own target. It takes no libclang.

use std::error::Error;
use std::fmt::{Display, Write as _};

use syn::{
    Expr, Fields, File, FnArg, ForeignItem, GenericArgument, Item, ItemConst, ItemStruct, ItemType,
    Lit, PathArguments, PointerMutability, ReturnType, Signature, Type, UnOp,
};

/// What this does not understand is an error, never a pass.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A C program, to be compiled and not run, that fails to compile where a
/// declaration in the source `rust` is not what `header` declares.
///
/// Of each function it asserts the type; of each struct the size, the alignment
/// and each field's type and place; of each alias what it stands for; of each
/// constant the value.
pub fn assertions(rust: &str, header: &str) -> Result<String> {
    let file: File = syn::parse_str(rust)?;
    let mut c = C::default();
    writeln!(c.text, "#include \"{header}\"")?;
    for item in &file.items {
        match item {
            Item::ForeignMod(block) => {
                for item in &block.items {
                    match item {
                        ForeignItem::Fn(function) => c.function(&function.sig)?,
                        _ => return Err("only functions are understood in extern blocks".into()),
                    }
                }
            }
            Item::Struct(item) => c.layout(item)?,
            Item::Type(item) => c.alias(item)?,
            Item::Const(item) => c.constant(item)?,
            // Rust's own: C has no part in them.
            Item::Use(_) | Item::Fn(_) => {}
            _ => return Err("an item that is none of fn, struct, type, const".into()),
        }
    }
    Ok(c.text)
}

/// The program so far.
#[derive(Default)]
struct C {
    text: String,
    function_pointers: usize,
}

impl C {
    fn assert(&mut self, fact: impl Display, otherwise: impl Display) {
        // Infallible: the text is a String.
        let _ = writeln!(self.text, "_Static_assert({fact}, \"{otherwise}\");");
    }

    fn function(&mut self, signature: &Signature) -> Result<()> {
        let name = signature.ident.to_string();
        let mut inputs = Vec::new();
        for input in &signature.inputs {
            match input {
                FnArg::Typed(input) => inputs.push(self.type_name(&input.ty)?),
                FnArg::Receiver(_) => return Err(format!("{name}: C has no `self`").into()),
            }
        }
        let pointer = self.pointer(&signature.output, &inputs)?;
        self.assert(
            format!("_Generic(&{name}, {pointer}: 1, default: 0)"),
            format!("{name}: in Rust it is a {pointer}"),
        );
        Ok(())
    }

    /// A struct of C with the fields that Rust sees, to be compared with C's.
    fn layout(&mut self, item: &ItemStruct) -> Result<()> {
        let name = item.ident.to_string();
        let Fields::Named(fields) = &item.fields else {
            return Err(format!("{name}: not a struct with named fields").into());
        };
        let mut members = Vec::new();
        for field in &fields.named {
            let ident = field.ident.as_ref().ok_or("a field without a name")?;
            if ident == "_unused" {
                return Ok(()); // how bindgen writes an opaque type
            }
            members.push((ident.to_string(), self.type_name(&field.ty)?));
        }

        writeln!(self.text, "struct rust_{name} {{")?;
        for (member, of_type) in &members {
            writeln!(self.text, "    {of_type} {member};")?;
        }
        writeln!(self.text, "}};")?;
        for property in ["sizeof", "_Alignof"] {
            self.assert(
                format!("{property}(struct rust_{name}) == {property}({name})"),
                format!("{name}: in Rust its {property} is another"),
            );
        }
        for (member, of_type) in &members {
            self.assert(
                format!("_Generic(&(({name} *)0)->{member}, {of_type} *: 1, default: 0)"),
                format!("{name}.{member}: in Rust it is a {of_type}"),
            );
            self.assert(
                format!("offsetof(struct rust_{name}, {member}) == offsetof({name}, {member})"),
                format!("{name}.{member}: in Rust it is elsewhere"),
            );
        }
        Ok(())
    }

    fn alias(&mut self, item: &ItemType) -> Result<()> {
        let name = item.ident.to_string();
        let of_type = self.type_name(&item.ty)?;
        self.assert(
            format!("_Generic(({name} *)0, {of_type} *: 1, default: 0)"),
            format!("{name}: in Rust it is a {of_type}"),
        );
        Ok(())
    }

    fn constant(&mut self, item: &ItemConst) -> Result<()> {
        let name = item.ident.to_string();
        let value = integer(&item.expr).ok_or_else(|| format!("{name}: not an integer"))?;
        self.assert(
            format!("{name} == {value}"),
            format!("{name}: in Rust it is {value}"),
        );
        Ok(())
    }

    /// C's name for a type of Rust.
    fn type_name(&mut self, of_type: &Type) -> Result<String> {
        match of_type {
            // Behind the type, since `const T *` is wrong where T is a pointer.
            Type::Ptr(pointer) => {
                let pointee = self.type_name(&pointer.elem)?;
                Ok(match pointer.mutability {
                    PointerMutability::Const(_) => format!("{pointee} const *"),
                    PointerMutability::Mut(_) => format!("{pointee} *"),
                })
            }
            Type::Path(path) => {
                let last = path.path.segments.last().ok_or("an empty path")?;
                match &last.arguments {
                    PathArguments::None => Ok(c_name(&last.ident.to_string())),
                    PathArguments::AngleBracketed(arguments) if last.ident == "Option" => {
                        match arguments.args.first() {
                            Some(GenericArgument::Type(Type::FnPtr(function))) => {
                                let mut inputs = Vec::new();
                                for input in &function.inputs {
                                    inputs.push(self.type_name(&input.ty)?);
                                }
                                self.named_pointer(&function.output, &inputs)
                            }
                            _ => Err("an Option of something else than a function".into()),
                        }
                    }
                    _ => Err(format!("{}: a generic type", last.ident).into()),
                }
            }
            _ => Err("a type that is neither named nor a pointer".into()),
        }
    }

    /// A name for a pointer to function: written out, it cannot stand in front of
    /// what it is the type of.
    fn named_pointer(&mut self, output: &ReturnType, inputs: &[String]) -> Result<String> {
        let pointer = self.pointer(output, inputs)?;
        let name = format!("rust_fn_{}", self.function_pointers);
        self.function_pointers += 1;
        writeln!(
            self.text,
            "typedef {};",
            pointer.replacen("(*)", &format!("(*{name})"), 1)
        )?;
        Ok(name)
    }

    fn pointer(&mut self, output: &ReturnType, inputs: &[String]) -> Result<String> {
        let output = match output {
            ReturnType::Default => "void".to_owned(),
            ReturnType::Type(_, output) => self.type_name(output)?,
        };
        let inputs = if inputs.is_empty() {
            "void".to_owned() // `()` would leave the arguments open
        } else {
            inputs.join(", ")
        };
        Ok(format!("{output} (*)({inputs})"))
    }
}

/// A name that is not here stands for itself: C knows it, or does not compile.
fn c_name(rust: &str) -> String {
    match rust {
        "bool" => "_Bool",
        "c_char" => "char",
        "c_int" => "int",
        "c_uint" => "unsigned int",
        "c_void" => "void",
        "f32" => "float",
        "f64" => "double",
        "i8" => "int8_t",
        "i16" => "int16_t",
        "i32" => "int32_t",
        "i64" => "int64_t",
        "isize" => "ptrdiff_t",
        "u8" => "uint8_t",
        "u16" => "uint16_t",
        "u32" => "uint32_t",
        "u64" => "uint64_t",
        "usize" => "size_t",
        other => other,
    }
    .to_owned()
}

fn integer(expression: &Expr) -> Option<i64> {
    match expression {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(integer) => integer.base10_parse().ok(),
            _ => None,
        },
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
            integer(&unary.expr).map(i64::wrapping_neg)
        }
        _ => None,
    }
}
