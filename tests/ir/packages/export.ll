; Every function that others may use gets a record, which leads to the definition here; clones and trampolines exist by then.
; RUN: JL_PACKAGE=1 opt '-passes=default<O2>' -S %s | FileCheck %s
; RUN: opt '-passes=default<O2>' -S %s | FileCheck %s --check-prefix=PLAIN
; RUN: opt '-passes=jl-identity<O2>,jl-annotate,jl-multiversion' -S %s | FileCheck %s --check-prefix=NAMED
target datalayout = "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128"
target triple = "x86_64-unknown-linux-gnu"

; PLAIN-NOT: jl_exports
; PLAIN-NOT: jl.identity

; CHECK-DAG: @strong.jl_export = private constant {{.*}} @strong.jl_here to i64){{.*}} section "jl_exports", {{.*}}align 4, !associated
; CHECK-DAG: @inline.jl_export = private constant {{.*}} section "jl_exports", {{.*}}comdat($inline), align 4, !associated
; CHECK-DAG: @looping.jl_export = private constant {{.*}} section "jl_exports", {{.*}}align 4, !associated
; CHECK-DAG: @looping.jl_here = private alias {{.*}} @looping
; CHECK-DAG: @llvm.compiler.used = appending global {{.*}}strong.jl_export
; CHECK-NOT: @own_data.jl_export
; CHECK-NOT: @weak.jl_export
; CHECK-NOT: jl.identity
; CHECK: define i32 @strong(
; NAMED-DAG: @strong.jl_export = private constant
; NAMED-DAG: @looping.jl_here = private alias {{.*}} @looping
; NAMED-DAG: @inlined.jl_export = private constant
; NAMED-NOT: jl.identity

$inline = comdat any
$inlined = comdat any

@counter = internal global i32 0

define i32 @strong(i32 %x) {
  %y = call i32 @inline(i32 %x)
  %z = call i32 @inlined(i32 %y)
  ret i32 %z
}

define linkonce_odr i32 @inline(i32 %x) noinline comdat {
  %y = mul i32 %x, 3
  ret i32 %y
}

; Nobody needs it any more when it has been inlined.
; CHECK-NOT: @inlined
define linkonce_odr i32 @inlined(i32 %x) comdat {
  %y = add i32 %x, 3
  ret i32 %y
}

define i32 @own_data() {
  %x = load i32, ptr @counter
  %y = add i32 %x, 1
  store i32 %y, ptr @counter
  ret i32 %y
}

define weak i32 @weak(i32 %x) {
  ret i32 %x
}

; A cloned one: its trampoline.
; CHECK: define void @looping({{.*}} #[[TRAMPOLINE:[0-9]+]]
define void @looping(ptr noalias %p, ptr noalias %q, i64 %n) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %a = getelementptr inbounds double, ptr %p, i64 %i
  %b = getelementptr inbounds double, ptr %q, i64 %i
  %x = load double, ptr %a
  %y = fmul double %x, 3.0
  store double %y, ptr %b
  %next = add nuw nsw i64 %i, 1
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}
; CHECK: attributes #[[TRAMPOLINE]] = { {{.*}}naked
