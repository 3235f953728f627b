; The same numbers mean something else in dialect M, where loops and questions about the CPU always count.
; RUN: opt -passes=JuliaMultiVersioning -S %s | FileCheck %s
; RUN: JL_JULIA_DIALECT=M opt -passes=JuliaMultiVersioning -S %s | FileCheck %s
; RUN: JL_JULIA_DIALECT=R opt -passes=JuliaMultiVersioning -S %s | FileCheck %s --check-prefix=AS-R
target triple = "aarch64-linux-gnu"

; CHECK: define i32 @plain({{.*}} #[[ALL:[0-9]+]]
define i32 @plain(i32 %x) {
  ret i32 %x
}

; CHECK: define i32 @looping({{.*}} #[[EVERY:[0-9]+]]
; AS-R: define i32 @looping({{.*}} #[[LOOP:[0-9]+]]
define i32 @looping(i32 %n) {
  br label %again
again:
  %i = phi i32 [ 0, %0 ], [ %next, %again ]
  %next = add i32 %i, 1
  %more = icmp ult i32 %next, %n
  br i1 %more, label %again, label %done
done:
  ret i32 %next
}

; CHECK: define float @relaxed({{.*}} #[[MATH:[0-9]+]]
define float @relaxed(float %x, float %y) {
  %sum = fadd fast float %x, %y
  ret float %sum
}

; CHECK: define half @halves({{.*}} #[[HALF:[0-9]+]]
define half @halves(half %x) {
  %y = fneg half %x
  ret half %y
}

; Every aarch64 has the answer, so asking is no reason...
; CHECK: define i1 @asks_settled({{.*}} #[[ALL]]
define i1 @asks_settled() {
  %y = call i1 @julia.cpu.have_fma.f64()
  ret i1 %y
}

; ... unlike this.
; CHECK: define i1 @asks({{.*}} #[[EVERY]]
define i1 @asks() {
  %y = call i1 @julia.cpu.supports.sve()
  ret i1 %y
}

declare i1 @julia.cpu.have_fma.f64()
declare i1 @julia.cpu.supports.sve()

; CHECK-DAG: attributes #[[ALL]] = { "julia.mv.clones"="2" }
; CHECK-DAG: attributes #[[EVERY]] = { "julia.mv.clones"="1E" }
; CHECK-DAG: attributes #[[MATH]] = { "julia.mv.clones"="6" }
; CHECK-DAG: attributes #[[HALF]] = { "julia.mv.clones"="A" }
; CHECK-NOT: julia.mv.veccall
; 8 is R's CLONE_LOOP, and 1, 32 and 16 are no reason to clone a loop.
; AS-R: attributes #[[LOOP]] = { "julia.mv.clones"="4" }

!llvm.module.flags = !{!0, !1, !2}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.skipcloning", i32 1}
!2 = !{i32 1, !"julia.mv.specs", !3}
!3 = !{!4, !5, !6, !7, !8}
!4 = !{!"base", !"", i32 0, i32 0}
!5 = !{!"all", !"", i32 0, i32 1}
!6 = !{!"math", !"", i32 0, i32 8}
!7 = !{!"half", !"", i32 0, i32 32}
!8 = !{!"simd", !"", i32 0, i32 16}
