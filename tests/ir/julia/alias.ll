; An alias of a function with clones becomes a trampoline of its name that keeps the ABI; the slot's first value
; too, where the runtime initialises itself (dialect M, or a module that knows how).
; RUN: opt -passes=JuliaMultiVersioning,verify -S %s | FileCheck %s --check-prefixes=CHECK,AUTO
; RUN: JL_JULIA_AUTOINIT=0 opt -passes=JuliaMultiVersioning,verify -S %s | FileCheck %s --check-prefixes=CHECK,NULL
target triple = "x86_64-linux-gnu"
%struct.Big = type { [40 x i64] }

@jl_fvars = global [4 x ptr] [ptr @by_value, ptr @wide, ptr @variable, ptr @swift]
@jl_fvar_idxs = hidden constant [4 x i32] [i32 0, i32 1, i32 2, i32 3]

; AUTO: @by_value.reloc_slot = hidden global ptr @by_value.autoinit_trampoline
; NULL: @by_value.reloc_slot = hidden global ptr null

@c_by_value = alias i16 (ptr, i8), ptr @by_value
@c_wide = dso_local alias void (ptr), ptr @wide
@c_variable = hidden alias i32 (ptr, ...), ptr @variable
@c_swift = protected alias i32 (ptr), ptr @swift
@c_swift_too = alias i32 (ptr), ptr @c_swift
@holder = global ptr @c_wide

define signext i16 @by_value(ptr byval(%struct.Big) align 8 %big, i8 zeroext %small) {
  ret i16 1
}
define void @wide(ptr sret(%struct.Big) align 8 %result) noinline {
  ret void
}
define i32 @variable(ptr %format, ...) {
  ret i32 2
}
define swiftcc i32 @swift(ptr swiftself "julia.return_roots"="2" "gcstack" %self) {
  ret i32 3
}

; An alias in use keeps working.
; CHECK-LABEL: define i32 @uses_alias(
; CHECK: call i32 (ptr, ...) @c_variable(ptr %p, i32 5)
define i32 @uses_alias(ptr %p) {
  %r = call i32 (ptr, ...) @c_variable(ptr %p, i32 5)
  ret i32 %r
}

; AUTO-LABEL: define hidden signext i16 @by_value.autoinit_trampoline(ptr byval(%struct.Big) align 8 %0, i8 zeroext %1)
; AUTO: call ptr @ijl_autoinit_and_adopt_thread()
; AUTO-NEXT: [[TO:%.*]] = load ptr, ptr @by_value.reloc_slot, align 8, !tbaa !{{[0-9]+}}, !invariant.load
; AUTO-NEXT: [[R:%.*]] = tail call signext i16 [[TO]](ptr byval(%struct.Big) align 8 %0, i8 zeroext %1)
; AUTO-NEXT: ret i16 [[R]]
; AUTO: declare ptr @ijl_autoinit_and_adopt_thread()

; CHECK-LABEL: define signext i16 @c_by_value(ptr byval(%struct.Big) align 8 %0, i8 zeroext %1)
; CHECK-SAME: #[[ALIAS:[0-9]+]]
; CHECK-NEXT: top:
; CHECK-NEXT: [[TO:%.*]] = load ptr, ptr @by_value.reloc_slot
; CHECK-NEXT: [[R:%.*]] = tail call signext i16 [[TO]](ptr byval(%struct.Big) align 8 %0, i8 zeroext %1)
; CHECK-NEXT: ret i16 [[R]]

; CHECK-LABEL: define dso_local void @c_wide(ptr sret(%struct.Big) align 8 %0)
; CHECK: tail call void %{{.*}}(ptr sret(%struct.Big) align 8 %0)
; CHECK-NEXT: ret void

; CHECK-LABEL: define hidden i32 @c_variable(ptr %0, ...)
; CHECK: musttail call i32 (ptr, ...) %{{.*}}(ptr %0, ...)

; The caller's obligation towards its frame is not passed on: a trampoline has none.
; CHECK-LABEL: define protected swiftcc i32 @c_swift(ptr swiftself "gcstack" "julia.return_roots"="2" %0)
; CHECK: tail call swiftcc i32 %{{.*}}(ptr swiftself "gcstack" %0)

; CHECK: attributes #[[ALIAS]] = { "julia.mv.alias" }

!llvm.module.flags = !{!0, !1}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.specs", !2}
!2 = !{!3, !4}
!3 = !{!"x86-64", !"", i32 0, i32 0}
!4 = !{!"haswell", !"", i32 0, i32 1}
