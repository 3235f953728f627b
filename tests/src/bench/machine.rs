//! The machine that numbers come from, without anything that names its owner.

use crate::tools::CLANG;
use std::process::Command;

/// A few lines of Markdown.
pub fn describe() -> String {
    let cpu_info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpu_info.lines().find(|l| l.split(':').next().is_some_and(|k| k.trim() == name));
        line.and_then(|l| l.split_once(':')).map_or("unknown", |(_, value)| value.trim()).to_string()
    };
    let cpus = cpu_info.lines().filter(|l| l.starts_with("processor")).count();
    let virtual_machine = if field("flags").split(' ').any(|f| f == "hypervisor") { ", virtual" } else { "" };
    format!(
        "- CPU: {} (family {}, model {}), {cpus} CPUs{virtual_machine}\n- Kernel: {}; C library: {}\n- Compiler: {}; \
         linker: {}\n",
        field("model name"),
        field("cpu family"),
        field("model"),
        first_line("uname", &["-sr"]),
        first_line("getconf", &["GNU_LIBC_VERSION"]),
        first_line(CLANG, &["--version"]),
        first_line("ld.lld-22", &["--version"]),
    )
}

/// The same as one line, for the end of a table.
pub fn in_a_line(description: &str) -> String {
    let lines = description.lines().map(|line| line.trim_start_matches("- "));
    lines.collect::<Vec<_>>().join("; ") + "."
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_in_a_line() {
        assert_eq!(
            in_a_line("- CPU: a, 2 CPUs\n- Kernel: b; C library: c\n"),
            "CPU: a, 2 CPUs; Kernel: b; C library: c."
        );
        assert_eq!(describe().lines().count(), 3);
    }
}
