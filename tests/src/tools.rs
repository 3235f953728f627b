//! Where the tools under test and the tools beside them are.

use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The tools under test, all in one folder, and the LLVM that they are used with.
#[derive(Clone, Debug)]
pub struct Tools {
    folder: PathBuf,
    pub llvm: Llvm,
}

/// A major version of LLVM that there is a plugin for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Llvm(pub u32);

/// What everything else is built and tested with.
pub const DEFAULT_LLVM: Llvm = Llvm(22);
pub const OLDER_LLVMS: [Llvm; 2] = [Llvm(16), Llvm(19)];
pub const ALL_LLVMS: [Llvm; 3] = [Llvm(16), Llvm(19), DEFAULT_LLVM];

impl Llvm {
    /// LLVM's own tool of that name: `clang`, `clang++`, `opt`.
    pub fn tool(self, name: &str) -> String {
        format!("{name}-{}", self.0)
    }

    fn plugin(self) -> String {
        if self == DEFAULT_LLVM {
            "libjl_pass_plugin.so".to_string()
        } else {
            format!("libjl_pass_plugin-{}.so", self.0)
        }
    }
}

/// The reference compiler, and LLVM's own tools of the same version.
pub const CLANG: &str = "clang-22";
pub const CLANGXX: &str = "clang++-22";
pub const FLANG: &str = "flang-22";
pub const LLVM_OBJDUMP: &str = "llvm-objdump-22";
pub const LLVM_DWARFDUMP: &str = "llvm-dwarfdump-22";
pub const LLVM_READELF: &str = "llvm-readelf-22";
pub const LLVM_AR: &str = "llvm-ar-22";
pub const LLVM_OBJCOPY: &str = "llvm-objcopy-22";
pub const LLVM_DIS: &str = "llvm-dis-22";
pub const OPT: &str = "opt-22";
pub const FILECHECK: &str = "FileCheck-22";

impl Tools {
    /// The tools in `JL_BIN_DIR`, or in the folder that cargo builds this very program to.
    pub fn find() -> Result<Tools> {
        Tools::find_for(DEFAULT_LLVM)
    }

    /// The same, to be used with this LLVM.
    pub fn find_for(llvm: Llvm) -> Result<Tools> {
        let folder = match std::env::var_os("JL_BIN_DIR") {
            Some(folder) => PathBuf::from(folder),
            None => {
                let exe = std::env::current_exe()?;
                let beside = exe.parent().unwrap_or(Path::new("."));
                // Test programs stand one folder below the tools.
                if beside.ends_with("deps") { beside.join("..") } else { beside.into() }
            }
        };
        let tools = Tools { folder: std::path::absolute(&folder)?.canonicalize()?, llvm };
        for tool in [
            tools.jl_cc(),
            tools.jl_cxx(),
            tools.jl_flang(),
            tools.jl_link(),
            tools.jl_load(),
            tools.preload(),
        ] {
            if !tool.exists() {
                bail!("{} does not exist: run scripts/build first", tool.display());
            }
        }
        if !tools.plugin().exists() {
            bail!("{} does not exist: run scripts/build-plugin {} first", tools.plugin().display(), llvm.0);
        }
        Ok(tools)
    }

    /// The C or C++ compiler under test, for its LLVM.
    pub fn compiler(&self, cpp: bool) -> Command {
        let mut command = Command::new(if cpp { self.jl_cxx() } else { self.jl_cc() });
        command.env("JL_LLVM", self.llvm.0.to_string());
        command
    }

    /// The plain compiler of the same LLVM.
    pub fn plain_compiler(&self, cpp: bool) -> Command {
        Command::new(self.llvm.tool(if cpp { "clang++" } else { "clang" }))
    }

    pub fn jl_cc(&self) -> PathBuf {
        self.folder.join("jl-cc")
    }

    pub fn jl_cxx(&self) -> PathBuf {
        self.folder.join("jl-c++")
    }

    pub fn jl_flang(&self) -> PathBuf {
        self.folder.join("jl-flang")
    }

    pub fn cargo_jl(&self) -> PathBuf {
        self.folder.join("cargo-jl")
    }

    pub fn jl_link(&self) -> PathBuf {
        self.folder.join("jl-link")
    }

    pub fn jl_load(&self) -> PathBuf {
        self.folder.join("jl-load")
    }

    pub fn plugin(&self) -> PathBuf {
        self.folder.join(self.llvm.plugin())
    }

    pub fn preload(&self) -> PathBuf {
        self.folder.join("libjl_load_preload.so")
    }
}

/// The folder of the workspace.
pub fn workspace() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_path_buf()
}

/// A file or folder of this package.
pub fn in_tests(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
