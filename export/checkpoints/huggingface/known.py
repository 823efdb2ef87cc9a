"""Names that Hugging Face's toolkit has given: keys of configurations, and languages in the order of their ids."""

_READ = """
vocab_size decoder_vocab_size d_model encoder_layers decoder_layers encoder_attention_heads decoder_attention_heads
encoder_ffn_dim decoder_ffn_dim activation_function scale_embedding max_position_embeddings
share_encoder_decoder_embeddings tie_word_embeddings pad_token_id eos_token_id decoder_start_token_id architectures
model_type normalize_before add_final_layer_norm normalize_embedding
"""

_WITHOUT_EFFECT = """
_name_or_path _num_labels activation_dropout add_bias_logits adaptive_embedding attention_dropout
attn_implementation bos_token_id chunk_size_feed_forward classif_dropout classifier_dropout decoder_layerdrop
dropout dtype encoder_layerdrop extra_pos_embeddings finetuning_task force_bos_token_to_be_generated
gradient_checkpointing id2label init_std label2id max_source_positions max_target_positions num_hidden_layers
num_labels output_attentions output_hidden_states output_past prefix problem_type pruned_heads return_dict
sep_token_id static_position_embeddings task_specific_params tf_legacy_loss tokenizer_class torch_dtype torchscript
transformers_version use_bfloat16 use_cache cross_attention_hidden_size return_dict_in_generate
"""

_GENERATION = """
num_beams length_penalty max_length max_new_tokens min_length early_stopping bad_words_ids forced_bos_token_id
forced_eos_token_id renormalize_logits do_sample temperature top_k top_p typical_p repetition_penalty
no_repeat_ngram_size encoder_no_repeat_ngram_size num_beam_groups diversity_penalty num_return_sequences
suppress_tokens begin_suppress_tokens exponential_decay_length_penalty output_scores remove_invalid_values
"""

_M2M100 = """
af am ar ast az ba be bg bn br bs ca ceb cs cy da de el en es et fa ff fi fr fy ga gd gl gu ha he hi hr ht hu hy id
ig ilo is it ja jv ka kk km kn ko lb lg ln lo lt lv mg mk ml mn mr ms my ne nl no ns oc or pa pl ps pt ro ru sd si
sk sl so sq sr ss su sv sw ta th tl tn tr uk ur uz vi wo xh yi yo zh zu
"""

_WMT21 = """
en ha is ja cs ru zh de
"""

_MBART50 = """
ar_AR cs_CZ de_DE en_XX es_XX et_EE fi_FI fr_XX gu_IN hi_IN it_IT ja_XX kk_KZ ko_KR lt_LT lv_LV my_MM ne_NP nl_XX
ro_RO ru_RU si_LK tr_TR vi_VN zh_CN af_ZA az_AZ bn_IN fa_IR he_IL hr_HR id_ID ka_GE km_KH mk_MK ml_IN mn_MN mr_IN
pl_PL ps_AF pt_XX sv_SE sw_KE ta_IN te_IN th_TH tl_XX uk_UA ur_PK xh_ZA gl_ES sl_SI
"""

READ = frozenset(_READ.split())
"""Keys of config.json that the reader reads."""

WITHOUT_EFFECT = frozenset(_WITHOUT_EFFECT.split())
"""Keys of training, of the code's own business, or left over from other models: none changes a logit."""

GENERATION = frozenset(_GENERATION.split())
"""Keys that say how a checkpoint's own toolkit decodes by default; they are in config.json of older checkpoints."""

M2M100 = tuple(_M2M100.split())
"""Languages as M2M100's tokenizer gives them ids behind the vocabulary. No file of the published folders says so, and
none of those that are saved to this day."""

WMT21 = tuple(_WMT21.split())
"""Those of the same tokenizer with `language_codes` wmt21."""

MBART50 = tuple(_MBART50.split())
"""Languages as mBART-50's tokenizer gives them ids behind the pieces. No file of the published folders says so."""
