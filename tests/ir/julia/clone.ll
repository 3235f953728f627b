; From the module flag to the tables: a base that clones all, and partial targets of either base.
; RUN: opt -passes='JuliaMultiVersioning,CPUFeatures,verify' -S %s | FileCheck %s
; RUN: JL_JULIA_AUTOINIT=1 opt -passes=JuliaMultiVersioning -S %s | FileCheck %s --check-prefix=AUTO
; AUTO: @looping.reloc_slot = hidden global ptr @looping.autoinit_trampoline
target triple = "x86_64-linux-gnu"

@jl_fvars = global [4 x ptr] [ptr @plain, ptr @looping, ptr @calls_both, ptr @asks], align 8
@jl_fvar_idxs = hidden constant [4 x i32] [i32 9, i32 4, i32 0, i32 2], align 8
@jl_gvar_idxs = hidden constant [0 x i32] zeroinitializer, align 8

; CHECK-NOT: @jl_fvars
; CHECK: @jl_fvar_idxs_7 = hidden constant [4 x i32] [i32 9, i32 4, i32 0, i32 2]
; CHECK: @jl_gvar_idxs = hidden constant [0 x i32] zeroinitializer
; CHECK: @looping.reloc_slot = hidden global ptr null
; CHECK: @jl_fvar_count_7 = hidden constant i64 4
; CHECK: @jl_fvar_ptrs_7 = hidden global [4 x ptr] [ptr @plain, ptr @looping, ptr @calls_both, ptr @asks]
; One slot, of function 1.
; CHECK: @jl_clone_slots_7 = hidden constant [3 x i32] [i32 1, i32 1, i32 trunc (i64 sub (i64 ptrtoint (ptr @looping.reloc_slot to i64), i64 ptrtoint (ptr @jl_clone_slots_7 to i64)) to i32)]
; Targets 0 and 1: tagged length 1, function 1. Target 2, of base 1: functions 1 (tagged) and 3. Target 3, of base 0:
; function 1 (tagged).
; CHECK: @jl_clone_idxs_7 = hidden constant [11 x i32] [i32 -2147483647, i32 1, i32 -2147483647, i32 1, i32 2, i32 1, i32 -2147483647, i32 3, i32 1, i32 0, i32 -2147483647]
; CHECK: @jl_clone_ptrs_7 = hidden constant [7 x ptr] [ptr @plain.1, ptr @looping.1, ptr @calls_both.1, ptr @asks.1, ptr @looping.2, ptr @asks.2, ptr @looping.3]

; CHECK-LABEL: define i32 @plain(
define i32 @plain(i32 %x) {
  ret i32 %x
}

; CHECK-LABEL: define i32 @looping(
; CHECK-SAME: #[[LOOPING_0:[0-9]+]]
define i32 @looping(i32 %n) "target-features"="+own" {
  br label %again
again:
  %i = phi i32 [ 0, %0 ], [ %next, %again ]
  %next = add i32 %i, 1
  %more = icmp ult i32 %next, %n
  br i1 %more, label %again, label %done
done:
  ret i32 %next
}

; CHECK-LABEL: define i32 @calls_both(
; CHECK: call i32 @plain(
; CHECK-NEXT: [[SLOT:%.*]] = load ptr, ptr @looping.reloc_slot, align 8, !tbaa ![[TAG:[0-9]+]], !invariant.load ![[EMPTY:[0-9]+]]
; CHECK-NEXT: call i32 [[SLOT]](
define i32 @calls_both(i32 %x) {
  %y = call i32 @plain(i32 %x)
  %z = call i32 @looping(i32 %y)
  ret i32 %z
}

; CHECK-LABEL: define i1 @asks(
; CHECK-NEXT: ret i1 false
define i1 @asks() {
  %y = call i1 @julia.cpu.have_fma.f32()
  ret i1 %y
}

declare i1 @julia.cpu.have_fma.f32()

; CHECK-LABEL: define i32 @looping.1(
; CHECK-SAME: #[[LOOPING_1:[0-9]+]]
; CHECK-LABEL: define i32 @looping.2(
; CHECK-SAME: #[[LOOPING_2:[0-9]+]]
; CHECK-LABEL: define i32 @looping.3(
; CHECK-SAME: #[[LOOPING_3:[0-9]+]]

; What partial target 2 shares with its base calls through the slot too.
; CHECK-LABEL: define i32 @calls_both.1(
; CHECK: call i32 @plain.1(
; CHECK-NEXT: [[SLOT:%.*]] = load ptr, ptr @looping.reloc_slot
; CHECK-NEXT: call i32 [[SLOT]](

; CHECK-LABEL: define i1 @asks.1(
; CHECK-NEXT: ret i1 false
; CHECK-LABEL: define i1 @asks.2(
; CHECK-NEXT: ret i1 true

; CHECK-DAG: attributes #[[LOOPING_0]] = { "julia.mv.clone"="0" "julia.mv.clones"="E" "julia.mv.reloc" "target-cpu"="x86-64" "target-features"="+own,+cx16" }
; CHECK-DAG: attributes #[[LOOPING_1]] = { "julia.mv.clone"="1" "julia.mv.clones"="E" "julia.mv.reloc" "target-cpu"="sandybridge" "target-features"="+own,+avx" }
; CHECK-DAG: attributes #[[LOOPING_2]] = { optsize "julia.mv.clone"="2" "julia.mv.clones"="E" "julia.mv.reloc" "target-cpu"="haswell" "target-features"="+own,+avx2,+fma" }
; CHECK-DAG: attributes #[[LOOPING_3]] = { minsize "julia.mv.clone"="3" "julia.mv.clones"="E" "julia.mv.reloc" "target-cpu"="atom" "target-features"="+own,+ssse3" }
; CHECK-DAG: ![[TAG]] = !{![[SCALAR:[0-9]+]], ![[SCALAR]], i64 0, i64 1}
; CHECK-DAG: ![[SCALAR]] = !{!"jtbaa_const", ![[BASE:[0-9]+]], i64 0}
; CHECK-DAG: ![[BASE]] = !{!"jtbaa", ![[ROOT:[0-9]+]], i64 0}
; CHECK-DAG: ![[ROOT]] = !{!"jtbaa"}
; CHECK-DAG: ![[EMPTY]] = !{}

!llvm.module.flags = !{!0, !1, !2}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.specs", !3}
!2 = !{i32 1, !"julia.mv.suffix", !"_7"}
!3 = !{!4, !5, !6, !7}
!4 = !{!"x86-64", !"+cx16", i32 0, i32 0}
!5 = !{!"sandybridge", !"+avx", i32 0, i32 2}
!6 = !{!"haswell", !"+avx2,+fma", i32 1, i32 328}
!7 = !{!"atom", !"+ssse3", i32 0, i32 136}
