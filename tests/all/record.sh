#!/bin/sh
# Cargo's wrapper around rustc (RUSTC_WORKSPACE_WRAPPER): notes how the exhibits are compiled, then compiles.
case " $* " in
*" --crate-name zero_cost_ffi "*)
    env -0 >"$RECORD/variables"
    printf '%s\0' "$@" >"$RECORD/arguments"
    ;;
esac
exec "$@"
