//! OpenMP: the compiler takes regions out into functions of their own, which the run-time library calls.

use crate::Pair;
use anyhow::Result;
use tests::tools::in_tests;

const THREADS: [(&str, &str); 2] = [("OMP_NUM_THREADS", "4"), ("OMP_DYNAMIC", "false")];

#[test]
fn programs_and_libraries() -> Result<()> {
    let pair = Pair::new()?;
    for flags in ["-O2", "-O3 -fno-pie -no-pie", "-O2 -flto=thin", "-O2 -flto=full", "-O1 -g"] {
        pair.build(&format!("{flags} -fopenmp openmp.c -o program -lm"))?;
        pair.same("program", &[], &THREADS)?;
    }
    pair.build("-O2 -fopenmp openmp.c -o program -lm")?;
    pair.cloned("program", &["fill", "fill.omp_outlined"])?;
    pair.build("-O2 -fPIC -shared -fopenmp openmp.c -o libprogram.so -lm")?;
    // Opened after start, when the OpenMP run-time library is not there yet.
    pair.build(&format!("-O2 {} -o launcher", in_tests("launcher.c").display()))?;
    pair.same("launcher", &["./libprogram.so"], &THREADS).map(drop)
}

#[test]
fn simd_directives() -> Result<()> {
    let pair = Pair::new()?;
    for flags in ["-fopenmp-simd", "-fopenmp"] {
        pair.build(&format!("-O2 {flags} openmp_simd.c -o program"))?;
        pair.same("program", &[], &[])?;
    }
    Ok(())
}
