//! The lines of `JL_LOAD_LOG`: written by the embedded and the preloaded shim, read by `jl-load matrix`.
//!
//! `julienne: PATH: target N (NAME): REASON`, one line per image that chose. What was refused stands on
//! standard error behind the same prefix.

/// Start of every line that a shim prints into somebody else's process.
pub const PREFIX: &str = "julienne: ";

/// What a line says about an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice<'a> {
    /// The image's file.
    pub path: &'a str,
    pub target: usize,
    /// The target's name in the image's list.
    pub name: &'a str,
}

/// The choice that `line` tells of; `None` for any other line.
pub fn choice(line: &str) -> Option<Choice<'_>> {
    // From the right: the path may hold anything, the rest is ours.
    let (path, rest) = line.strip_prefix(PREFIX)?.rsplit_once(": target ")?;
    let (number, rest) = rest.split_once(" (")?;
    let (name, _) = rest.split_once("): ")?;
    Some(Choice { path, target: number.parse().ok()?, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_and_nothing_else() {
        let line = "julienne: /a: target b/x.so: target 12 (x86-64-v3): the best of 14 targets for this CPU";
        assert_eq!(choice(line), Some(Choice { path: "/a: target b/x.so", target: 12, name: "x86-64-v3" }));
        for line in [
            "julienne: /x.so: cannot run here: the CPU lacks avx2, which target 0 (x86-64-v3), the baseline",
            "/x.so: target 0 (x86-64): chosen by JL_LOAD_TARGET",
            "julienne: /x.so: target -1 (x86-64): the best",
            "",
        ] {
            assert_eq!(choice(line), None, "{line}");
        }
    }
}
