//! Where the tools under test and the tools beside them are.

use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

/// The tools under test, all in one folder.
#[derive(Clone, Debug)]
pub struct Tools {
    folder: PathBuf,
}

/// The reference compiler, and LLVM's own tools of the same version.
pub const CLANG: &str = "clang-22";
pub const CLANGXX: &str = "clang++-22";
pub const FLANG: &str = "flang-22";
pub const LLVM_OBJDUMP: &str = "llvm-objdump-22";
pub const LLVM_DWARFDUMP: &str = "llvm-dwarfdump-22";
pub const LLVM_READELF: &str = "llvm-readelf-22";
pub const LLVM_AR: &str = "llvm-ar-22";
pub const OPT: &str = "opt-22";
pub const FILECHECK: &str = "FileCheck-22";

impl Tools {
    /// The tools in `JL_BIN_DIR`, or in the folder that cargo builds this very program to.
    pub fn find() -> Result<Tools> {
        let folder = match std::env::var_os("JL_BIN_DIR") {
            Some(folder) => PathBuf::from(folder),
            None => {
                let exe = std::env::current_exe()?;
                let beside = exe.parent().unwrap_or(Path::new("."));
                // Test programs stand one folder below the tools.
                if beside.ends_with("deps") { beside.join("..") } else { beside.into() }
            }
        };
        let tools = Tools { folder: std::path::absolute(&folder)?.canonicalize()? };
        for tool in [
            tools.jl_cc(),
            tools.jl_cxx(),
            tools.jl_flang(),
            tools.jl_link(),
            tools.jl_load(),
            tools.plugin(),
            tools.preload(),
        ] {
            if !tool.exists() {
                bail!("{} does not exist: run scripts/build first", tool.display());
            }
        }
        Ok(tools)
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

    pub fn jl_link(&self) -> PathBuf {
        self.folder.join("jl-link")
    }

    pub fn jl_load(&self) -> PathBuf {
        self.folder.join("jl-load")
    }

    pub fn plugin(&self) -> PathBuf {
        self.folder.join("libjl_pass_plugin.so")
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
