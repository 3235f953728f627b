//! aarch64: the features that instructions of the system space need: hints, barriers, maintenance, registers.
//!
//! What they do stands in fields that are numbers to a decoder's tables, so they are told here, by the Arm ARM (DDI
//! 0487), chapters C4.1 and C5. Unknown numbers are `None`: such code cannot be read.

/// Whether an instruction lies in the system space.
pub fn is_system(word: u32) -> bool {
    word & 0xffc0_0000 == 0xd500_0000
}

/// LLVM's name of the feature that it needs.
pub fn needs(word: u32) -> Option<&'static [&'static str]> {
    let field = |low: u32, bits: u32| word >> low & ((1 << bits) - 1);
    let (op0, op1, crn, crm, op2) = (field(19, 2), field(16, 3), field(12, 4), field(8, 4), field(5, 3));
    match op0 {
        0 => special(word, op1, crn, crm, op2),
        1 => maintenance(op1, crn, crm, op2),
        _ => register(op0, op1, crn, crm, op2),
    }
}

fn special(word: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> Option<&'static [&'static str]> {
    match (op1, crn, op2) {
        // Hints do nothing where they mean nothing: landing pads, signed return addresses, yields.
        (3, 2, _) => Some(&[]),
        // clrex, dsb, dmb, isb
        (3, 3, 2 | 4 | 5 | 6) => Some(&[]),
        (3, 3, 7) if crm == 0 => Some(&["sb"]),
        // wfet, wfit
        (3, 1, 0 | 1) if crm == 0 => Some(&["wfxt"]),
        // cfinv; xaflag and axflag
        (0, 4, 0) if word & 31 == 31 => Some(&["flagm"]),
        (0, 4, 1 | 2) if word & 31 == 31 => Some(&["altnzcv"]),
        // msr with a constant
        (3, 4, 1) => Some(&["ssbs"]),
        (3, 4, 2) => Some(&["dit"]),
        (3, 4, 3) => Some(&["sme"]),
        (3, 4, 4) => Some(&["mte"]),
        _ => None,
    }
}

fn maintenance(op1: u32, crn: u32, crm: u32, op2: u32) -> Option<&'static [&'static str]> {
    match (op1, crn, crm, op2) {
        // dc zva, cvac, cvau, civac; ic ivau
        (3, 7, 4 | 5 | 10 | 11 | 14, 1) => Some(&[]),
        (3, 7, 12, 1) => Some(&["ccpp"]),
        (3, 7, 13, 1) => Some(&["ccdp"]),
        (3, 7, 4, 3 | 4) => Some(&["mte"]),
        (3, 7, 7, 0..=3) => Some(&["gcs"]),
        _ => None,
    }
}

fn register(op0: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> Option<&'static [&'static str]> {
    match (op0, op1, crn, crm, op2) {
        // The ID registers, which Linux answers for; the cache's geometry.
        (3, 0, 0, ..) | (3, 3, 0, 0, 1 | 7) => Some(&[]),
        // NZCV, FPCR, FPSR, TPIDR_EL0, TPIDRRO_EL0, CNTFRQ_EL0, CNTPCT_EL0, CNTVCT_EL0
        (3, 3, 4, 2, 0) | (3, 3, 4, 4, 0 | 1) | (3, 3, 13, 0, 2 | 3) | (3, 3, 14, 0, 0..=2) => Some(&[]),
        (3, 3, 2, 4, 0 | 1) => Some(&["rand"]),
        (3, 3, 2, 5, 1) => Some(&["gcs"]),
        // SVCR, TPIDR2_EL0
        (3, 3, 4, 2, 2) | (3, 3, 13, 0, 5) => Some(&["sme"]),
        (3, 3, 4, 2, 5) => Some(&["dit"]),
        (3, 3, 4, 2, 6) => Some(&["ssbs"]),
        (3, 3, 4, 2, 7) => Some(&["mte"]),
        (3, 3, 4, 4, 2) => Some(&["fp8"]),
        _ => None,
    }
}
