//! Declarations in C of what LLVM's types say.

use jl_pass_plugin::c_entries::declaration::{CType, Extension, declaration};

#[test]
fn types_that_c_has() {
    use CType::*;
    let found = |result, parameters: &[CType]| declaration("f", result, parameters.to_vec(), false);
    assert_eq!(found(Void, &[]).unwrap(), "void f(void)");
    assert_eq!(found(Pointer, &[Double, Float]).unwrap(), "void *f(double, float)");
    let integers = [
        Integer(1, Extension::Zero),
        Integer(8, Extension::Sign),
        Integer(16, Extension::Zero),
        Integer(32, Extension::None),
        Integer(64, Extension::Zero),
    ];
    let expected = "int64_t f(bool, int8_t, uint16_t, int32_t, uint64_t)";
    assert_eq!(found(Integer(64, Extension::None), &integers).unwrap(), expected);
    assert_eq!(declaration("f", Void, vec![Pointer], true).unwrap(), "void f(void *, ...)");
}

#[test]
fn types_that_c_does_not_have() {
    for ty in [CType::Other, CType::Integer(128, Extension::None), CType::Integer(8, Extension::None)] {
        let error = declaration("f", CType::Void, vec![CType::Double, ty], false).unwrap_err();
        assert!(error.contains("parameter 2"), "{error}");
        let error = declaration("f", ty, Vec::new(), false).unwrap_err();
        assert!(error.contains("return value"), "{error}");
    }
    assert!(declaration("f", CType::Void, Vec::new(), true).is_err());
}
