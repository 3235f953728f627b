; Local functions of the same content have the same identity, whatever they are called; others have others.
; RUN: opt -passes=jl-identity<print> -disable-output %s | FileCheck %s
target triple = "x86_64-unknown-linux-gnu"

%struct.a = type { i32, ptr }
%struct.b = type { i32, ptr }
%struct.c = type { i32, i64 }

@one = private constant i32 1
@also_one = internal constant i32 1
@still_one = private constant i32 1
@two = private constant i32 2

; CHECK: [[FIRST:[0-9a-f]+]] local first
define internal ptr @first(ptr %p, i32 %x) {
entry:
  %q = getelementptr inbounds %struct.a, ptr %p, i32 %x, i32 1
  ret ptr %q
}

; Names of arguments, blocks, values and types.
; CHECK-NEXT: [[FIRST]] local second
define internal ptr @second(ptr %0, i32 %1) {
  %3 = getelementptr inbounds %struct.b, ptr %0, i32 %1, i32 1
  ret ptr %3
}

; Another type of the same size.
; CHECK-NOT: [[FIRST]] local third
define internal ptr @third(ptr %0, i32 %1) {
  %3 = getelementptr inbounds %struct.c, ptr %0, i32 %1, i32 1
  ret ptr %3
}

; CHECK: [[DATA:[0-9a-f]+]] local reads_one
define internal i32 @reads_one() {
  %x = load i32, ptr @one
  ret i32 %x
}

; CHECK-NEXT: [[DATA]] local reads_still_one
define internal i32 @reads_still_one() {
  %x = load i32, ptr @still_one
  ret i32 %x
}

; CHECK-NOT: [[DATA]]
; CHECK: local reads_two
define internal i32 @reads_two() {
  %x = load i32, ptr @two
  ret i32 %x
}

; Circles: each of the three sees the same, in whatever order they stand.
; CHECK: [[CIRCLE:[0-9a-f]+]] local a
define internal void @a() {
  call void @c()
  ret void
}

; CHECK-NEXT: [[CIRCLE]] local b
define internal void @b() {
  call void @a()
  ret void
}

; CHECK-NEXT: [[CIRCLE]] local c
define internal void @c() {
  call void @b()
  ret void
}

; CHECK-NOT: [[CIRCLE]]
; CHECK: local d
define internal void @d() {
  call void @e()
  ret void
}

define internal void @e() {
  call void @d()
  call void @d()
  ret void
}
